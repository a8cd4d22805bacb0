"""The tables of the paper, and some of ours: run, summarized over seeds, written as pages."""

from mmpyramid.experiments.page import WRITERS, Page, summarize
from mmpyramid.experiments.run import Job, jobs, run_job
from mmpyramid.experiments.tables import TABLES

__all__ = ["TABLES", "WRITERS", "Job", "Page", "jobs", "run_job", "summarize"]

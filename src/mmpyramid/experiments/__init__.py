"""The tables of the paper: run, summarized over seeds, written beside the printed numbers."""

from mmpyramid.experiments.page import WRITERS, Page, summarize
from mmpyramid.experiments.printed import TABLES
from mmpyramid.experiments.run import Job, jobs, run_job

__all__ = ["TABLES", "WRITERS", "Job", "Page", "jobs", "run_job", "summarize"]

"""The tables of the paper: run, summarized over seeds, written beside the printed numbers."""

from mmpyramid.experiments.printed import TABLES
from mmpyramid.experiments.run import Changes, Job, jobs, run_job
from mmpyramid.experiments.summary import Page, summarize
from mmpyramid.experiments.write import WRITERS

__all__ = ["TABLES", "WRITERS", "Changes", "Job", "Page", "jobs", "run_job", "summarize"]

"""The tables of the paper: run, summarized over seeds, written beside the printed numbers."""

from mmpyramid.tables.printed import TABLES
from mmpyramid.tables.run import Changes, Job, jobs, run_job
from mmpyramid.tables.summary import Page, summarize
from mmpyramid.tables.write import WRITERS

__all__ = ["TABLES", "WRITERS", "Changes", "Job", "Page", "jobs", "run_job", "summarize"]

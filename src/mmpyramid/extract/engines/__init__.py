"""Engines: who works through a corpus. All of them give the same bits."""

from mmpyramid.extract.engines.base import Engine, Job, Results
from mmpyramid.extract.engines.local import LocalEngine

__all__ = ["Engine", "Job", "LocalEngine", "Results"]

"""Engines: who works through a corpus. All of them give the same bits."""

from mmpyramid.features.engines.base import Engine, Job, Results
from mmpyramid.features.engines.local import LocalEngine

__all__ = ["Engine", "Job", "LocalEngine", "Results"]

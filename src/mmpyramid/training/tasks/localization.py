"""Audio-visual event localization (AVE), under any supervision.

Shape letters: N videos, B batch, T segments.
"""

from __future__ import annotations

from typing import ClassVar

from mmpyramid.data.event_corpus import EventCorpus
from mmpyramid.metrics.localization import LocalizationReport
from mmpyramid.training.tasks.base import Task


class LocalizationTask(Task[EventCorpus, LocalizationReport]):
    """Selects by the two-head accuracy on all validation clips."""

    selection: ClassVar[str] = "accuracy_two_head"
    selection_title: ClassVar[str] = "accuracy (two-head rule)"

"""One event, and the ways in which it is perceived."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from mmpyramid.core.errors import UserError


class Modality(StrEnum):
    """Where an event is perceived: it can be heard, seen, or both in the same second."""

    AUDIO = "audio"
    VISUAL = "visual"
    AUDIO_VISUAL = "audio_visual"


@dataclass(frozen=True, order=True, slots=True)
class Event:
    """One event: `label` is perceived through `modality` from `start` to `end`, with a score.

    Times are seconds from the start of the video; the score lies within 0..1.

    Events order by start, end, label, modality.

    Raises:
        UserError: if the times are not finite, ordered and positive, or the score is outside 0..1.

    Example:
        >>> Event(start=3.0, end=5.0, label="Dog", modality=Modality.AUDIO, score=0.9).duration
        2.0
    """

    start: float
    end: float
    label: str
    modality: Modality
    score: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.end < math.inf):
            raise UserError(
                f"an event needs 0 <= start < end in seconds, got {self.start}..{self.end} "
                f"({self.label})"
            )
        if not 0 <= self.score <= 1:
            raise UserError(f"an event's score lies within 0..1, got {self.score} ({self.label})")

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start

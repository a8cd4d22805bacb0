"""Times on the grid of a file format: whole milliseconds or microseconds, and no empty event."""

from __future__ import annotations

from mmpyramid.core import Event

MILLISECONDS, MICROSECONDS = 1_000, 1_000_000
"""Ticks per second."""


def to_ticks(event: Event, per_second: int) -> tuple[int, int]:
    """Round start and end to whole ticks; an event lasts one tick at least.

    Example:
        >>> from mmpyramid.core import Modality
        >>> to_ticks(Event(1.0, 1.00001, "Dog", Modality.AUDIO), MILLISECONDS)
        (1000, 1001)
    """
    start = round(event.start * per_second)
    return start, max(round(event.end * per_second), start + 1)


def to_seconds(event: Event) -> tuple[float, float]:
    """Round start and end to microseconds, which print with six decimals at most.

    Example:
        >>> from mmpyramid.core import Modality
        >>> to_seconds(Event(1 / 3, 1.0, "Dog", Modality.AUDIO))
        (0.333333, 1.0)
    """
    start, end = to_ticks(event, MICROSECONDS)
    return start / MICROSECONDS, end / MICROSECONDS

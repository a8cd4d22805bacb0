"""From a timeline back to the grid of segments.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.runs import Mask, Runs


def rasterize(
    timeline: Timeline, num_segments: int, labels: Sequence[str] | None = None
) -> tuple[Mask, Mask]:
    """Draw a timeline on the grid of one-second segments: the way back from `decode`.

    A segment is on when one event covers at least half of it; a last segment that the video does
    not fill counts by the part that it has. An `audio_visual` event is heard and seen.

    Args:
        timeline: the events.
        num_segments: T.
        labels: the C labels wanted, in order; None takes those of the timeline. Events of other
            labels are left out.

    Returns:
        audio (T, C) and visual (T, C), bool.
    """
    column = {label: i for i, label in enumerate(timeline.labels if labels is None else labels)}

    def mask_of(modality: Modality) -> Mask:
        perceived = (modality, Modality.AUDIO_VISUAL)
        events = [e for e in timeline if e.modality in perceived and e.label in column]
        return _paint_events(events, column, num_segments, timeline.duration)

    return mask_of(Modality.AUDIO), mask_of(Modality.VISUAL)


def _paint_events(
    events: Sequence[Event], column: dict[str, int], num_segments: int, duration: float
) -> Mask:
    """The mask (T, C) of the segments that one event covers at least half."""
    start = np.array([event.start for event in events]).clip(0, num_segments)
    end = np.array([event.end for event in events]).clip(0, num_segments)
    label = np.array([column[event.label] for event in events], dtype=np.intp)

    def covered(segment: NDArray[np.intp]) -> Mask:
        is_cut = (segment < duration) & (duration < segment + 1)
        segment_end = np.where(is_cut, duration, segment + 1)
        overlap = np.minimum(end, segment_end) - np.maximum(start, segment)
        covers: Mask = overlap >= 0.5 * (segment_end - segment)
        return covers

    # Only the first and the last segment that an event touches can be covered in part.
    first = np.floor(start).astype(np.intp)
    last = np.ceil(end).astype(np.intp) - 1
    first_on = np.minimum(first + ~covered(first), num_segments)
    stop_on = np.maximum(last + covered(last), first_on)
    return Runs(label, first_on, stop_on).paint((num_segments, len(column)))

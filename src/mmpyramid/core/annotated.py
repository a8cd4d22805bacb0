"""What is annotated, as a timeline: the counterpart of `decode` for the truth.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.runs import Mask, events_of

ANNOTATIONS = "annotations"
"""Called so in place of a model."""


def annotated(
    masks_TC: Mapping[Modality, Mask],
    labels: Sequence[str],
    *,
    source: str = "",
    notes: Sequence[str] = (),
) -> Timeline:
    """Turn the annotated segments of one video into its timeline: every run is an event.

    Args:
        masks_TC: for each annotated modality, (T, C) bool, True where the class is perceived.
        labels: the C class names.
        source: the video's path or id.
        notes: what a reader of the timeline should know.

    Returns:
        Events of score 1; the duration is T seconds.

    Example:
        >>> mask_TC = np.array([[True], [True], [False]])
        >>> [(e.label, e.start, e.end) for e in annotated({Modality.AUDIO: mask_TC}, ["Dog"])]
        [('Dog', 0.0, 2.0)]
    """
    duration = float(max(map(len, masks_TC.values()), default=0))
    return Timeline(
        events=tuple(
            event
            for modality, mask_TC in masks_TC.items()
            for event in events_of(mask_TC, mask_TC.astype(np.float32), modality, labels, duration)
        ),
        duration=duration,
        labels=tuple(labels),
        source=source,
        model=ANNOTATIONS,
        notes=tuple(notes),
    )

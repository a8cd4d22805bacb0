"""Each second of a clip in one class or background, scored with background as a class.

The three numbers of OV-AVEBench: accuracy of segments, and LLP's F-scores of segments and events
where background is one class more, whose runs are events. They are averaged over clips, each clip
once. (The released code averages F over batches, so that clips of a short last batch weigh more.)

Source: Zhou et al., "Towards Open-Vocabulary Audio-Visual Event Localization", CVPR 2025.

Axes: N clips, T segments, C classes; class C is background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask
from mmpyramid.problems.counts import event_counts, segment_counts, video_f_scores

EVERY = "total"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipScores:
    """Means over clips, per cent.

    Attributes:
        accuracy: segments whose class, or background, is right.
        segment_f: F of segments.
        event_f: F of events that overlap by half.
        num_clips: of how many.
    """

    accuracy: float
    segment_f: float
    event_f: float
    num_clips: int

    @property
    def average(self) -> float:
        """The mean of the three."""
        return (self.accuracy + self.segment_f + self.event_f) / 3


def clip_scores(
    predicted_NT: NDArray[np.int64],
    truth_NT: NDArray[np.int64],
    num_classes: int,
    *,
    mask_NT: Mask | None = None,
) -> NDArray[np.float64]:
    """Accuracy, segment F and event F of each clip, (N, 3) within 0..1.

    Args:
        predicted_NT: class of each segment.
        truth_NT: the true class.
        num_classes: C; the class C is background.
        mask_NT: True where a segment exists, one at least in every clip; without it all do.

    Raises:
        UserError: if shapes disagree, or a class is none of 0..C.

    Example:
        >>> truth_1T = np.array([[2, 2, 0, 0, 0, 0, 0, 0, 0, 2]])
        >>> found_1T = np.array([[2, 2, 0, 0, 0, 0, 0, 2, 2, 2]])
        >>> clip_scores(found_1T, truth_1T, 2).round(4).tolist()
        [[0.8, 0.7917, 0.75]]
    """
    if predicted_NT.shape != truth_NT.shape or truth_NT.ndim != 2:
        raise UserError(
            f"expected classes (N, T) of one shape, got {predicted_NT.shape} and {truth_NT.shape}"
        )
    classes = np.arange(num_classes + 1)
    predicted_NTC, truth_NTC = (each[..., None] == classes for each in (predicted_NT, truth_NT))
    if not (predicted_NTC.any(axis=-1).all() and truth_NTC.any(axis=-1).all()):
        raise UserError(f"expected classes within 0..{num_classes}, the last one background")
    exists_NT = np.ones(truth_NT.shape, np.bool_) if mask_NT is None else mask_NT
    predicted_NTC, truth_NTC = (each & exists_NT[..., None] for each in (predicted_NTC, truth_NTC))
    right_N = ((predicted_NT == truth_NT) & exists_NT).sum(axis=1)
    return np.stack(
        [
            right_N / exists_NT.sum(axis=1),
            video_f_scores(segment_counts(predicted_NTC, truth_NTC)),
            video_f_scores(event_counts(predicted_NTC, truth_NTC)),
        ],
        axis=-1,
    )


def scores_by_group(
    predicted_NT: NDArray[np.int64],
    truth_NT: NDArray[np.int64],
    num_classes: int,
    groups: Mapping[str, Mask],
    *,
    mask_NT: Mask | None = None,
) -> dict[str, ClipScores]:
    """The three numbers of all clips and of each group that has some.

    Args:
        predicted_NT: class of each segment.
        truth_NT: the true class.
        num_classes: C.
        groups: (N,) True for the clips of a group, by name.
        mask_NT: True where a segment exists; without it all do.

    Raises:
        UserError: as `clip_scores`.
    """
    value_N3 = 100 * clip_scores(predicted_NT, truth_NT, num_classes, mask_NT=mask_NT)
    every = {EVERY: np.ones(len(value_N3), np.bool_), **groups}
    return {
        name: ClipScores(
            **dict(
                zip(
                    ("accuracy", "segment_f", "event_f"),
                    value_N3[rows].mean(axis=0).tolist(),
                    strict=True,
                )
            ),
            num_clips=int(rows.sum()),
        )
        for name, rows in every.items()
        if rows.any()
    }

"""Counts of true positives, false positives and false negatives, and F-scores of them.

Segments are counted one by one; events, maximal runs of segments, once they are matched.

Axes: `...` any, N videos, T segments, C classes, 3 (true positives, false positives, false
negatives).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, Runs

Counts: TypeAlias = NDArray[np.int64]
"""(..., 3)."""


def segment_counts(predicted_NTC: Mask, truth_NTC: Mask) -> Counts:
    """Count segments, (N, C, 3); both masks are off where no segment is.

    Example:
        >>> segment_counts(np.array([[[True], [True]]]), np.array([[[False], [True]]])).tolist()
        [[[1, 1, 0]]]
    """
    hit_NC = np.count_nonzero(predicted_NTC & truth_NTC, axis=1)
    predicted_NC = np.count_nonzero(predicted_NTC, axis=1)
    truth_NC = np.count_nonzero(truth_NTC, axis=1)
    return np.stack([hit_NC, predicted_NC - hit_NC, truth_NC - hit_NC], axis=-1)


@dataclass(frozen=True, eq=False, slots=True)
class EventMatch:
    """The events of both sides, and which of them an event of the other side matches.

    Attributes:
        predicted: the runs of the prediction.
        predicted_hit: True for those that are right.
        truth: the runs of the truth.
        truth_hit: True for those that are found.
    """

    predicted: Runs
    predicted_hit: Mask
    truth: Runs
    truth_hit: Mask


def match_events(predicted_NTC: Mask, truth_NTC: Mask, iou_threshold: float = 0.5) -> EventMatch:
    """Match events, maximal runs of segments of one class, by intersection over union.

    Args:
        predicted_NTC: the segments predicted.
        truth_NTC: the segments annotated.
        iou_threshold: in (0, 1]; the benchmark uses 0.5.

    Raises:
        UserError: if the threshold is outside (0, 1].
    """
    if not 0 < iou_threshold <= 1:
        raise UserError(f"expected an IoU threshold in (0, 1], got {iou_threshold}")
    predicted, truth = Runs.of(predicted_NTC), Runs.of(truth_NTC)
    # Two overlapping runs share exactly one run of cells, so the runs of the intersection list
    # every overlapping pair once, with its intersection as length.
    shared = Runs.of(predicted_NTC & truth_NTC)
    predicted_of = np.searchsorted(predicted.first, shared.first, side="right") - 1
    truth_of = np.searchsorted(truth.first, shared.first, side="right") - 1
    union = predicted.length[predicted_of] + truth.length[truth_of] - shared.length
    match = shared.length >= iou_threshold * union
    predicted_hit = np.zeros(len(predicted.first), dtype=bool)
    predicted_hit[predicted_of[match]] = True
    truth_hit = np.zeros(len(truth.first), dtype=bool)
    truth_hit[truth_of[match]] = True
    return EventMatch(predicted, predicted_hit, truth, truth_hit)


def event_counts(predicted_NTC: Mask, truth_NTC: Mask, iou_threshold: float = 0.5) -> Counts:
    """Count events, maximal runs of segments of one class, (N, C, 3).

    A predicted event is a true positive if its intersection over union with any annotated event
    reaches the threshold, else a false positive. An annotated event that no predicted one reaches
    is a false negative. Below a threshold of 0.5 several may match one, as in the released code.

    Args:
        predicted_NTC: the segments predicted.
        truth_NTC: the segments annotated.
        iou_threshold: in (0, 1]; the benchmark uses 0.5.

    Raises:
        UserError: if the threshold is outside (0, 1].
    """
    N, _, C = predicted_NTC.shape
    found = match_events(predicted_NTC, truth_NTC, iou_threshold)

    def per_class(runs: Runs) -> NDArray[np.int64]:
        return np.bincount(runs.column, minlength=N * C).reshape(N, C)

    counts = (
        per_class(found.predicted.where(found.predicted_hit)),
        per_class(found.predicted.where(~found.predicted_hit)),
        per_class(found.truth.where(~found.truth_hit)),
    )
    return np.stack(counts, axis=-1)


def f_scores(count_3: NDArray[Any]) -> NDArray[np.float64]:
    """F of counts (..., 3), per cent; NaN where nothing is true and nothing is predicted.

    Example:
        >>> f_scores(np.array([[3, 1, 2], [0, 0, 0]])).tolist()
        [66.66666666666667, nan]
    """
    doubled = 2.0 * count_3[..., 0]
    return ratio(100 * doubled, doubled + count_3[..., 1] + count_3[..., 2])


def video_f_scores(count_NC3: Counts) -> NDArray[np.float64]:
    """F-score of each video, (N,) within 0..1: the mean over its present or predicted classes.

    F = 2 TP / (2 TP + FP + FN). A video without such a class scores 1.
    """
    doubled_NC = 2 * count_NC3[..., 0]
    total_NC = doubled_NC + count_NC3[..., 1] + count_NC3[..., 2]
    f_NC = doubled_NC / np.maximum(total_NC, 1)
    num_classes_N = np.count_nonzero(total_NC, axis=1)
    return np.where(num_classes_N > 0, f_NC.sum(axis=1) / np.maximum(num_classes_N, 1), 1.0)


def micro_f(count_C3: NDArray[Any]) -> NDArray[np.float64]:
    """F of the counts (..., C, 3) of all classes together, per cent."""
    return f_scores(count_C3.sum(axis=-2))


def macro_f(count_C3: NDArray[Any]) -> NDArray[np.float64]:
    """Mean of the F of classes that are true or predicted somewhere, per cent.

    A class that is never found counts as 0, and so does one that is predicted and never true. Some
    evaluators leave such classes out, which makes a system that misses a class look perfect.

    Example:
        >>> found, missed = [9, 0, 0], [0, 0, 9]
        >>> float(macro_f(np.array([found, missed])))
        50.0
    """
    return mean_of_known(f_scores(count_C3))


def mean_of_known(value_C: NDArray[Any]) -> NDArray[np.float64]:
    """The mean over the last axis of all that is not NaN; NaN if there is nothing else.

    Example:
        >>> mean_of_known(np.array([[1, 3, np.nan], [np.nan, np.nan, np.nan]])).tolist()
        [2.0, nan]
    """
    known_C = ~np.isnan(value_C)
    return ratio(np.where(known_C, value_C, 0).sum(axis=-1), known_C.sum(axis=-1))


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """`part / whole`, NaN where the whole is 0.

    Example:
        >>> ratio(np.array([1, 0]), np.array([2, 0])).tolist()
        [0.5, nan]
    """
    nothing = np.full(np.broadcast(part, whole).shape, np.nan)
    value: NDArray[np.float64] = np.divide(part, whole, out=nothing, where=np.asarray(whole) != 0)
    return value

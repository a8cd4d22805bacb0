"""Counts of true positives, false positives and false negatives, and F-scores of them.

Axes: `...` any, N videos, T segments, C classes, 3 (true positives, false positives, false
negatives).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.runs import Mask


def segment_counts(predicted_NTC: Mask, truth_NTC: Mask) -> NDArray[np.int64]:
    """Count segments, (N, C, 3); both masks are off where no segment is.

    Example:
        >>> segment_counts(np.array([[[True], [True]]]), np.array([[[False], [True]]])).tolist()
        [[[1, 1, 0]]]
    """
    hit_NC = np.count_nonzero(predicted_NTC & truth_NTC, axis=1)
    predicted_NC = np.count_nonzero(predicted_NTC, axis=1)
    truth_NC = np.count_nonzero(truth_NTC, axis=1)
    return np.stack([hit_NC, predicted_NC - hit_NC, truth_NC - hit_NC], axis=-1)


def f_scores(count_3: NDArray[Any]) -> NDArray[np.float64]:
    """F of counts (..., 3), per cent; NaN where nothing is true and nothing is predicted.

    Example:
        >>> f_scores(np.array([[3, 1, 2], [0, 0, 0]])).tolist()
        [66.66666666666667, nan]
    """
    doubled = 2.0 * count_3[..., 0]
    return ratio(100 * doubled, doubled + count_3[..., 1] + count_3[..., 2])


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

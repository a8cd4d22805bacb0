"""What one video scores, to find those that a network does well or badly on.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mmpyramid.problems.parsing.metrics import Mask, parsing_report

VideoScores: TypeAlias = dict[str, dict[str, float]]
"""Level to measure to per cent."""


def parsing_scores(predicted: tuple[Mask, Mask], truth: tuple[Mask, Mask]) -> VideoScores:
    """The F-scores of one video, at both levels; their means over videos are the official numbers.

    Args:
        predicted: what is predicted to be heard and seen, (T, C) each.
        truth: what is heard and seen.

    Example:
        >>> nothing_TC = np.zeros((10, 25), np.bool_)
        >>> parsing_scores((nothing_TC, nothing_TC), (nothing_TC, nothing_TC))["event"]["audio"]
        100.0
    """
    masks_1TC = [mask_TC[None] for mask_TC in (*predicted, *truth)]
    return parsing_report(*masks_1TC).to_dict()


def localization_scores(predicted_TC: Mask, truth_TC: Mask) -> VideoScores:
    """The share of segments that are right: a category that is annotated, or rightly none.

    Args:
        predicted_TC: at most one category in each segment.
        truth_TC: the categories of each segment; several where clips of one video overlap.

    Example:
        >>> truth_TC = np.array([[True, False], [False, False]])
        >>> localization_scores(np.array([[True, False], [False, True]]), truth_TC)
        {'segment': {'accuracy': 50.0}}
    """
    is_hit_T = (predicted_TC & truth_TC).any(axis=1)
    is_quiet_T = ~(predicted_TC | truth_TC).any(axis=1)
    return {"segment": {"accuracy": 100 * float(np.mean(is_hit_T | is_quiet_T))}}

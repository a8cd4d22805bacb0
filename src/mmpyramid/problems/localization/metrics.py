"""Audio-visual event localization (AVE) scored as its papers do: accuracy over segments.

Two rules turn scores into one class per segment. Which one a paper used decides what its number is
comparable with, so both are always reported. Background is a class like any other: an answer that
never predicts an event scores its share of the segments.

Axes: N clips, T segments of one second, C classes; class C is background.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.problems.localization.report import (
    AccuracyPair,
    LocalizationReport,
    localization_table,
)

__all__ = [
    "AccuracyPair",
    "LocalizationReport",
    "accuracy",
    "argmax_rule",
    "background_everywhere",
    "category_everywhere",
    "localization_report",
    "localization_table",
    "two_head_rule",
]

Classes: TypeAlias = NDArray[np.integer[Any]]
Mask: TypeAlias = NDArray[np.bool_]
Scores: TypeAlias = NDArray[np.floating[Any]]

RELEVANCE_THRESHOLD = 0.5


def two_head_rule(
    relevance_NT: Scores, category_NC: Scores, *, background: int | None = None
) -> NDArray[np.int64]:
    """The clip's best category where an event is likely, background elsewhere.

    The rule of CMRAN, CMBS, CPSP, DG-SCT and CACE-Net; a relevance of exactly 0.5 is background.

    Args:
        relevance_NT: probability that an event happens in the segment.
        category_NC: score of each category, (N, C), or (N, C + 1) where the category may itself be
            background, as in weakly supervised CMRAN.
        background: C; by default the number of columns of `category_NC`.

    Returns:
        (N, T) the class of each segment.

    Raises:
        UserError: if shapes disagree, the relevance is no probability, or scores are NaN.

    Example:
        >>> two_head_rule(np.array([[0.9, 0.5]]), np.array([[0.1, 0.7, 0.2]])).tolist()
        [[1, 3]]
    """
    columns = category_NC.shape[-1]
    background = columns if background is None else background
    if relevance_NT.ndim != 2 or category_NC.shape != (len(relevance_NT), columns):
        raise UserError(
            f"expected relevance (N, T) and category scores (N, C), got {relevance_NT.shape} and "
            f"{category_NC.shape}"
        )
    if columns not in (background, background + 1):
        raise UserError(
            f"expected scores of {background} categories, with or without background, got {columns}"
        )
    if not np.all((relevance_NT >= 0) & (relevance_NT <= 1)):
        raise UserError(
            "expected relevance within 0..1, got other numbers or NaN; apply the sigmoid to logits "
            "first"
        )
    happens_NT = relevance_NT > RELEVANCE_THRESHOLD
    return np.where(happens_NT, _best(category_NC)[:, None], background)


def argmax_rule(score_NTC: Scores) -> NDArray[np.int64]:
    """The best class of each segment by itself: the rule of AVE, DMRN, PSP and LAVISH.

    Args:
        score_NTC: (N, T, C + 1) scores of the classes and, last, of background.

    Returns:
        (N, T) the class of each segment.

    Raises:
        UserError: if the shape is another or scores are NaN.

    Example:
        >>> argmax_rule(np.array([[[0.1, 0.7, 0.2], [0.1, 0.2, 0.7]]])).tolist()
        [[1, 2]]
    """
    if score_NTC.ndim != 3:
        raise UserError(f"expected scores (N, T, C + 1), got {score_NTC.shape}")
    return _best(score_NTC)


def _best(scores: Scores) -> NDArray[np.int64]:
    if np.isnan(scores).any():
        raise UserError("expected scores, got NaN; the network that made them has diverged")
    best: NDArray[np.int64] = scores.argmax(axis=-1)
    return best


def accuracy(predicted_NT: Classes, truth_NT: Classes, mask_NT: Mask | None = None) -> float:
    """Share of segments whose class is right, in per cent; background counts as a class.

    All segments of all clips weigh the same, so batches of any size give the same number.

    Args:
        predicted_NT: the class of each segment.
        truth_NT: the true one.
        mask_NT: True where a segment exists; without it all do.

    Raises:
        UserError: if shapes disagree or there is no segment.

    Example:
        >>> accuracy(np.array([[0, 2, 2, 2]]), np.array([[0, 0, 2, 2]]))
        75.0
    """
    mask_NT = np.ones(truth_NT.shape, np.bool_) if mask_NT is None else mask_NT.astype(bool)
    if not predicted_NT.shape == truth_NT.shape == mask_NT.shape:
        raise UserError(
            f"expected predicted and true classes, and their mask, of one shape (N, T), got "
            f"{predicted_NT.shape}, {truth_NT.shape} and {mask_NT.shape}"
        )
    num_segments = np.count_nonzero(mask_NT)
    if not num_segments:
        raise UserError("expected at least one segment to score, got none")
    num_right = np.count_nonzero((predicted_NT == truth_NT) & mask_NT)
    return float(100 * num_right / num_segments)


def localization_report(
    argmax_NT: Classes,
    two_head_NT: Classes,
    truth_NT: Classes,
    is_subset_N: Mask,
    mask_NT: Mask | None = None,
) -> LocalizationReport:
    """Score one set of clips; where no segment is of the subset, its accuracy is None.

    Args:
        argmax_NT: predicted classes by `argmax_rule`.
        two_head_NT: predicted classes by `two_head_rule`.
        truth_NT: the true classes.
        is_subset_N: True for clips whose event is shorter than they are.
        mask_NT: True where a segment exists; without it all do.

    Raises:
        UserError: if shapes disagree or there is no segment.
    """
    if is_subset_N.shape != truth_NT.shape[:1]:
        raise UserError(
            f"expected true classes (N, T) and the subset (N,), got {truth_NT.shape} and "
            f"{is_subset_N.shape}"
        )

    def pair(counted_NT: Mask) -> AccuracyPair:
        return AccuracyPair(
            argmax=accuracy(argmax_NT, truth_NT, counted_NT),
            two_head=accuracy(two_head_NT, truth_NT, counted_NT),
        )

    mask_NT = np.ones(truth_NT.shape, np.bool_) if mask_NT is None else mask_NT.astype(bool)
    every = pair(mask_NT)
    subset_NT = mask_NT & is_subset_N.astype(bool)[:, None]
    return LocalizationReport(all=every, subset=pair(subset_NT) if subset_NT.any() else None)


def background_everywhere(
    truth_NT: Classes, is_subset_N: Mask, background: int, mask_NT: Mask | None = None
) -> LocalizationReport:
    """What a network has to beat: the score of an answer that never predicts an event.

    Args:
        truth_NT: the true classes.
        is_subset_N: True for clips whose event is shorter than they are.
        background: C.
        mask_NT: True where a segment exists; without it all do.
    """
    nothing_NT = np.full(truth_NT.shape, background)
    return localization_report(nothing_NT, nothing_NT, truth_NT, is_subset_N, mask_NT)


def category_everywhere(
    category_N: Classes, truth_NT: Classes, is_subset_N: Mask, mask_NT: Mask | None = None
) -> LocalizationReport:
    """What a network has to beat: a perfect tagger of whole clips that knows nothing about time.

    Args:
        category_N: the true category of each clip, predicted for all its segments.
        truth_NT: the true classes.
        is_subset_N: True for clips whose event is shorter than they are.
        mask_NT: True where a segment exists; without it all do.
    """
    everywhere_NT = np.broadcast_to(category_N[:, None], truth_NT.shape)
    return localization_report(everywhere_NT, everywhere_NT, truth_NT, is_subset_N, mask_NT)

"""The decision rules of event localization (AVE): one class per segment, background among them.

Two rules turn scores into one class per segment. Which one a paper used decides what its number is
comparable with, so both are always reported; timelines follow the two-head rule.

Axes: T segments of one second, C classes, K columns: C, or C + 1 with the background last; N is any
number of axes before them, or none.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Decoder, LocalizationScores
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, tidy

Values: TypeAlias = NDArray[np.floating[Any]]


def two_head_rule(
    relevance_NT: Values,
    category: Values,
    *,
    background: int | None = None,
    threshold: float = 0.5,
    is_logit: bool = False,
) -> NDArray[np.int64]:
    """The best category where an event is likely, background elsewhere.

    The rule of CMRAN, CMBS, CPSP, DG-SCT and CACE-Net; a relevance of exactly the threshold is
    background. Of categories that score the same, the first is taken.

    Args:
        relevance_NT: probability that an event happens in the segment.
        category: score of each category in the clip, (N, K), or around each segment, (N, T, K). A
            column C lets the category itself be background, as in weakly supervised CMRAN.
        background: C; by default the number of columns of `category`.
        threshold: takes the precision of the relevance.
        is_logit: the relevance is given before the sigmoid, which rounds logits next to 0.

    Returns:
        (N, T) the class of each segment.

    Raises:
        UserError: if shapes disagree, the relevance is no probability, or scores are NaN.

    Example:
        >>> two_head_rule(np.array([[0.9, 0.5]]), np.array([[0.1, 0.7, 0.2]])).tolist()
        [[1, 3]]
    """
    columns = category.shape[-1]
    background = columns if background is None else background
    leading, per_segment = relevance_NT.shape[:-1], relevance_NT.shape
    if not relevance_NT.ndim or category.shape[:-1] not in {leading, per_segment}:
        raise UserError(
            f"expected relevance (N, T) and category scores (N, C) or (N, T, C), got "
            f"{relevance_NT.shape} and {category.shape}"
        )
    if columns not in (background, background + 1):
        raise UserError(
            f"expected scores of {background} categories, with or without background, got {columns}"
        )
    if is_logit:
        limit = _logit(threshold)
        is_usable = not np.isnan(relevance_NT).any()
    else:
        limit = threshold
        is_usable = bool(np.all((relevance_NT >= 0) & (relevance_NT <= 1)))
    if not is_usable:
        raise UserError(
            "expected relevance within 0..1, got other numbers or NaN; apply the sigmoid to logits "
            "first"
        )
    happens_NT = relevance_NT > np.asarray(limit, relevance_NT.dtype)
    best = _best(category)
    return np.where(happens_NT, best if best.shape == per_segment else best[..., None], background)


def argmax_rule(score_NTC: Values) -> NDArray[np.int64]:
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


def category_mask(scores: LocalizationScores, decoder: Decoder) -> Mask:
    """Decide on the scores of one video by the two-head rule.

    What the category probabilities lack to 1 is that of background, which is taken only where it
    exceeds that of every category.

    Args:
        scores: probabilities of one video.
        decoder: `threshold` and lengths; there is no gate.

    Returns:
        (T, C) bool; with at most one category per segment, unless gaps are filled.

    Raises:
        UserError: if a probability is outside 0..1.

    Example:
        >>> scores = LocalizationScores(
        ...     relevance=np.array([0.9, 0.2], np.float32),
        ...     category=np.array([0.8, 0.1], np.float32),
        ...     labels=("Bark", "Bus"),
        ... )
        >>> category_mask(scores, Decoder()).tolist()
        [[True, False], [False, False]]
    """
    category_TC = scores.categories
    if not np.all((category_TC >= 0) & (category_TC <= 1)):
        raise UserError(
            "expected `category` scores to be probabilities within 0..1, got logits or NaN"
        )
    background_T1 = 1 - category_TC.sum(axis=1, keepdims=True)
    class_T = two_head_rule(
        scores.relevance,
        np.concatenate((category_TC, background_T1), axis=1),
        background=len(scores.labels),
        threshold=decoder.threshold,
    )
    mask_TC = class_T[:, None] == np.arange(len(scores.labels))
    return tidy(mask_TC, decoder.max_gap, decoder.min_length)


def _logit(probability: float) -> float:
    if probability in (0, 1):
        return -math.inf if probability == 0 else math.inf
    return math.log(probability / (1 - probability))


def _best(scores: Values) -> NDArray[np.int64]:
    if np.isnan(scores).any():
        raise UserError("expected scores, got NaN; the network that made them has diverged")
    best: NDArray[np.int64] = scores.argmax(axis=-1)
    return best

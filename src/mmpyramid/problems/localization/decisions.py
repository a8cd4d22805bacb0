"""Decisions of localization networks: one category, heard and seen at once.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

import numpy as np

from mmpyramid.core import Event, LocalizationScores, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, events_of, tidy
from mmpyramid.problems.decoder import Decoder


def category_mask(scores: LocalizationScores, decoder: Decoder) -> Mask:
    """Decide per segment which category happens, if any: the two-head rule of AVE.

    A segment shows the most probable category when its relevance exceeds the threshold, unless the
    background is more probable than every category.

    Returns:
        (T, C) bool with at most one category per segment, before short runs are dropped.

    Raises:
        UserError: if a probability is outside 0..1.
    """
    category_TC = scores.categories
    for name, value in (("relevance", scores.relevance), ("category", category_TC)):
        if not np.all((value >= 0) & (value <= 1)):
            raise UserError(
                f"expected `{name}` scores to be probabilities within 0..1, got logits or NaN"
            )
    background_T = 1 - category_TC.sum(axis=1)
    happens_T = (scores.relevance > decoder.threshold) & (category_TC.max(axis=1) >= background_T)
    best_T = category_TC.argmax(axis=1)
    mask_TC = (best_T[:, None] == np.arange(len(scores.labels))) & happens_T[:, None]
    return tidy(mask_TC, decoder.max_gap, decoder.min_length)


def localization_events(
    scores: LocalizationScores, decoder: Decoder, duration: float, missing: tuple[Modality, ...]
) -> list[Event]:
    """The audio-visual events of one video; none if a modality is missing.

    The score of an event is the mean over its run of relevance times category probability.

    Raises:
        UserError: as `category_mask`.
    """
    mask_TC = category_mask(scores, decoder)
    if missing:
        return []
    value_TC = scores.relevance[:, None] * scores.categories
    return events_of(mask_TC, value_TC, Modality.AUDIO_VISUAL, scores.labels, duration)

"""Agreement of two or more people or programs on what is heard and seen, segment by segment.

Segments of all videos are pooled before anything is computed: where nobody marks anything,
agreement by chance is undefined, so that a mean over videos would be over some of them only.
Silence counts, and more of it raises kappa and alpha; read them beside the share of segments that
are marked, and beside F, which silence does not change.

Source: Cohen, "A coefficient of agreement for nominal scales", 1960; Krippendorff, "Content
Analysis", 3rd edition, 2013, chapter 12, nominal data.

Axes: N videos, S raters, T segments, C columns (a class through a modality), R draws; `...` any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.problems.counts import ratio

ABSENT = -1
"""Where a rater did not judge."""
FEWEST_RATERS = 2

Ratings = NDArray[np.int8]
Numbers = NDArray[np.float64]


def pair_counts(first_TC: Ratings, second_TC: Ratings) -> Numbers:
    """How often both, the first alone, the second alone and neither marks a segment, (C, 4).

    Args:
        first_TC: 1 where marked, 0 where not, `ABSENT` where not judged.
        second_TC: the same of the other rater.

    Raises:
        UserError: if the shapes differ.
    """
    if first_TC.shape != second_TC.shape:
        raise UserError(
            "expected two raters on the same segments and classes, got "
            f"{first_TC.shape} and {second_TC.shape}"
        )
    pairs = ((1, 1), (1, 0), (0, 1), (0, 0))
    counts = [((first_TC == a) & (second_TC == b)).sum(axis=0) for a, b in pairs]
    return np.stack(counts, axis=-1).astype(np.float64)


def cohen_kappa(count_4: NDArray[Any]) -> Numbers:
    """Agreement beyond chance from counts (..., 4) of `pair_counts`, at most 1.

    NaN where both mark everything or nothing: then there is nothing to agree on by chance or not.

    Example:
        >>> a = np.array([1, 1, 1, 0, 0, 0, 0, 1, 1, 0], np.int8)[:, None]
        >>> b = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1, 1], np.int8)[:, None]
        >>> round(float(cohen_kappa(pair_counts(a, b))[0]), 4)
        0.6
    """
    both, first, second, neither = np.moveaxis(np.asarray(count_4, np.float64), -1, 0)
    total = both + first + second + neither
    agreed = (both + neither) * total
    chance = (both + first) * (both + second) + (second + neither) * (first + neither)
    return ratio(agreed - chance, total**2 - chance)


def overlap_f(count_4: NDArray[Any]) -> Numbers:
    """F of the segments marked by one against the other, per cent, from counts (..., 4).

    It is the same whichever rater counts as the truth (Dice); NaN where neither marks any.
    """
    both, first, second, _ = np.moveaxis(np.asarray(count_4, np.float64), -1, 0)
    return 100 * ratio(2 * both, 2 * both + first + second)


def coincidences(rating_STC: Ratings) -> Numbers:
    """What alpha is made of: disagreements, marks and blanks of all raters, (C, 3).

    Segments that fewer than two raters judged are left out.
    """
    judged_TC = (rating_STC != ABSENT).sum(axis=0)
    marked_TC = (rating_STC == 1).sum(axis=0)
    pairable_TC = judged_TC >= FEWEST_RATERS
    blank_TC = judged_TC - marked_TC
    others_TC = np.maximum(judged_TC - 1, 1)
    parts = (2 * marked_TC * blank_TC / others_TC, marked_TC, blank_TC)
    return np.stack([np.where(pairable_TC, part, 0).sum(axis=0) for part in parts], axis=-1)


def krippendorff_alpha(sum_3: NDArray[Any]) -> Numbers:
    """Agreement of any number of raters beyond chance from sums (..., 3) of `coincidences`.

    NaN where all that was judged is marked, or none of it.

    Example:
        >>> a = np.array([1, 1, 1, 0, 0, 0, 0, 1, 1, 0], np.int8)
        >>> b = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1, 1], np.int8)
        >>> float(krippendorff_alpha(coincidences(np.stack([a, b])[..., None]))[0])
        0.62
    """
    unequal, marked, blank = np.moveaxis(np.asarray(sum_3, np.float64), -1, 0)
    return 1 - ratio(unequal * (marked + blank - 1), 2 * marked * blank)

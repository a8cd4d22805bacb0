"""How sure a number is: intervals by bootstrap over videos, and tests of two systems.

The seconds of a video depend on one another, so that whole videos are drawn, never segments. A draw
is a row of weights: how often each video is in it. What a video contributes to a number is counted
once, weights add it up, and a video that is drawn twice counts as two.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993 (percentile intervals); Holm,
"A simple sequentially rejective multiple test procedure", 1979.

Axes: R resamples, N videos, K measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError

RESAMPLES = 9_999
MOST_RESAMPLES = 1_000_000
"""The statistics of all of them are in memory."""
CONFIDENCE = 0.95
FEWEST_VIDEOS = 2
BLOCK = 2**20
"""Weights that are in memory at once."""
TOLERANCE = 1e-12
"""Relative; sums of the same differences in another order are the same."""

Numbers = NDArray[np.float64]


def bootstrap(
    statistic: Callable[[Numbers], NDArray[Any]],
    num_videos: int,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Numbers:
    """The percentile interval of a statistic over videos.

    Where the statistic of a draw is undefined (NaN), the other draws count; where no draw has one,
    neither has the interval.

    Args:
        statistic: gives values (R, ...) from weights (R, N), which are whole numbers.
        num_videos: N.
        resamples: R in all.
        confidence: the share of the draws between the ends.
        seed: the same seed gives the same interval.

    Returns:
        (2, ...) the lower and the upper end.

    Raises:
        UserError: if there are fewer than two videos, or a setting is out of its range.

    Example:
        >>> value_N = np.array([0.0, 0.0, 1.0, 1.0])
        >>> bootstrap(lambda weight_RN: weight_RN @ value_N / 4, 4, resamples=99).tolist()
        [0.0, 1.0]
    """
    _check(num_videos, resamples, confidence)
    random = np.random.default_rng(seed)
    blocks = []
    for rows in _rows(resamples, num_videos):
        draws = random.integers(num_videos, size=(rows, num_videos))
        draws += num_videos * np.arange(rows)[:, None]
        counts = np.bincount(draws.ravel(), minlength=rows * num_videos)
        blocks.append(np.asarray(statistic(counts.reshape(rows, num_videos).astype(np.float64))))
    return _interval(np.concatenate(blocks), confidence)


def mean_intervals(
    value_NK: NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Numbers:
    """The percentile intervals of means over videos.

    Args:
        value_NK: (N, ...) the values of each video.
        resamples: how many draws.
        confidence: the share of the draws between the ends.
        seed: the same seed gives the same intervals.

    Returns:
        (2, ...) the lower and the upper ends.

    Raises:
        UserError: as `bootstrap`.
    """
    flat_NK = value_NK.reshape(len(value_NK), -1).astype(np.float64)
    ends = bootstrap(
        lambda weight_RN: weight_RN @ flat_NK / len(flat_NK),
        len(flat_NK),
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return ends.reshape(2, *value_NK.shape[1:])


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class PairedTest:
    """How two systems differ on the same videos, for K measures.

    Attributes:
        difference: (K,) mean of the first minus the second.
        low: (K,) lower end of its interval.
        high: (K,) upper end.
        p: (K,) two-sided, of the hypothesis that the two could be exchanged in every video.
        p_holm: (K,) the same, raised for the number of measures.
        num_videos: N.
    """

    difference: Numbers
    low: Numbers
    high: Numbers
    p: Numbers
    p_holm: Numbers
    num_videos: int

    def rows(self) -> list[dict[str, float]]:
        """The numbers of each measure by name, as JSON has them."""
        names = ("difference", "low", "high", "p", "p_holm")
        columns = [getattr(self, name).tolist() for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def paired_test(
    first_NK: NDArray[Any],
    second_NK: NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> PairedTest:
    """Compare two systems video by video.

    The interval is that of the mean difference, by bootstrap. The test flips the sign of each
    video's difference at random, or in all 2^N ways where those are no more than the resamples. Its
    p cannot be less than 1 / (resamples + 1).

    Args:
        first_NK: what each video scores, of K measures.
        second_NK: the same of the other system, for the same videos in the same order.
        resamples: of the bootstrap and of the test, each.
        confidence: of the interval.
        seed: the same seed gives the same numbers.

    Raises:
        UserError: if the shapes differ, or as `bootstrap`.

    Example:
        >>> first_N1 = np.array([1, 0, 0.5, 0.75, 1, 0.25])[:, None]
        >>> second_N1 = np.array([0.5, 0, 0.5, 1, 0.5, 0])[:, None]
        >>> paired_test(first_N1, second_N1).p.tolist()
        [0.375]
    """
    if first_NK.shape != second_NK.shape:
        raise UserError(
            "expected two systems scored on the same videos by the same measures, got "
            f"{first_NK.shape} and {second_NK.shape}"
        )
    delta_NK = (first_NK - second_NK).astype(np.float64)
    settings = {"resamples": resamples, "confidence": confidence, "seed": seed}
    low, high = mean_intervals(delta_NK, **settings)  # type: ignore[arg-type]
    p = _sign_flips(delta_NK, resamples, seed)
    return PairedTest(
        difference=delta_NK.mean(axis=0),
        low=low,
        high=high,
        p=p,
        p_holm=holm(p),
        num_videos=len(delta_NK),
    )


def swap_videos(
    differences: Callable[[Numbers, Numbers], NDArray[Any]],
    num_videos: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Numbers:
    """The p (K,) of two systems whose numbers are no means over videos, such as mAP.

    The two exchange what they say about half of the videos, drawn at random, again and again; p is
    the share of draws, two-sided, that makes them differ as much as they do.

    Args:
        differences: gives (R, K), how a system that takes some videos (R, N) of the first and
            others (R, N) of the second differs from the one that takes the rest.
        num_videos: N.
        resamples: R in all.
        seed: the same seed gives the same p.

    Raises:
        UserError: as `bootstrap`.

    Example:
        >>> first_N, second_N = np.ones(4), np.zeros(4)
        >>> def differences(mine_RN, theirs_RN):
        ...     return (mine_RN - theirs_RN) @ (first_N - second_N)[:, None]
        >>> swap_videos(differences, 4, resamples=999).round(1).tolist()
        [0.1]
    """
    _check(num_videos, resamples, CONFIDENCE)
    random = np.random.default_rng(seed)
    every_1N = np.ones((1, num_videos))
    bound_K = np.abs(differences(every_1N, 0 * every_1N)[0]) * (1 - TOLERANCE)
    extreme_K = np.zeros(len(bound_K))
    for rows in _rows(resamples, num_videos):
        mine_RN = random.integers(2, size=(rows, num_videos)).astype(np.float64)
        extreme_K += np.count_nonzero(np.abs(differences(mine_RN, 1 - mine_RN)) >= bound_K, axis=0)
    return (extreme_K + 1) / (resamples + 1)


def holm(p_K: Numbers) -> Numbers:
    """Raise the p of K tests so that their smallest is as rarely small by chance as one alone.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_K, kind="stable")
    factors = np.arange(len(p_K), 0, -1)
    raised = np.minimum(np.maximum.accumulate(p_K[order] * factors), 1)
    adjusted = np.empty_like(raised)
    adjusted[order] = raised
    return adjusted


def _sign_flips(delta_NK: Numbers, resamples: int, seed: int) -> Numbers:
    num_videos = len(delta_NK)
    bound_K = np.abs(delta_NK.sum(axis=0)) * (1 - TOLERANCE)
    if num_videos < resamples.bit_length():  # 2^N is no more than the resamples.
        codes = np.arange(2**num_videos)[:, None] >> np.arange(num_videos) & 1
        sums = (2 * codes - 1) @ delta_NK
        share_K: Numbers = np.mean(np.abs(sums) >= bound_K, axis=0)
        return share_K
    random = np.random.default_rng(seed)
    extreme_K = np.zeros(delta_NK.shape[1])
    for rows in _rows(resamples, num_videos):
        signs = 2.0 * random.integers(2, size=(rows, num_videos), dtype=np.int8) - 1
        extreme_K += np.count_nonzero(np.abs(signs @ delta_NK) >= bound_K, axis=0)
    return (extreme_K + 1) / (resamples + 1)


def _rows(resamples: int, num_videos: int) -> Iterator[int]:
    """How many resamples to draw at once, until there are enough."""
    step = max(1, BLOCK // num_videos)
    for done in range(0, resamples, step):
        yield min(step, resamples - done)


def _interval(values: NDArray[Any], confidence: float) -> Numbers:
    """The ends (2, ...) of values (R, ...); the draws without a value are left out."""
    without = np.isnan(values).all(axis=0)
    values = np.where(without, 0.0, values)
    tail = (1 - confidence) / 2
    ends = np.nanquantile(values, (tail, 1 - tail), axis=0)
    return np.where(without, np.nan, ends)


def _check(num_videos: int, resamples: int, confidence: float) -> None:
    if num_videos < FEWEST_VIDEOS:
        raise UserError(
            f"expected at least {FEWEST_VIDEOS} videos to draw from, got {num_videos}; an interval "
            "says how numbers differ from video to video"
        )
    if not 1 <= resamples <= MOST_RESAMPLES or not 0 < confidence < 1:
        raise UserError(
            f"expected 1 to {MOST_RESAMPLES:,} resamples and a confidence between 0 and 1, got "
            f"{resamples} and {confidence}"
        )

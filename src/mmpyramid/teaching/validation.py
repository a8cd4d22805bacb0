"""How well classes are learned: cross-validation by clip, and F with an interval.

Shape letters: N clips, T segments of a clip, C classes, R resamplings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

NUM_FOLDS = 10
NUM_RESAMPLINGS = 1000
COVERAGE = 0.95

Pair: TypeAlias = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""What was found in a clip, and what is true."""


def folds_of(
    occurs_NC: NDArray[np.bool_], num_folds: int = NUM_FOLDS, seed: int = 0
) -> NDArray[np.int64]:
    """Deal clips to folds, so that each class is in as many folds as possible, (N,).

    The clips of the rarest class are dealt first, each to the fold that has fewest of the class,
    and of these to the one that has fewest clips.

    Args:
        occurs_NC: which classes occur in which clips.
        num_folds: at most so many.
        seed: of the order in which clips are dealt.

    Example:
        >>> occurs_NC = np.array([[True, False], [True, False], [False, True], [False, True]])
        >>> fold_N = folds_of(occurs_NC, 2)
        >>> bool(fold_N[0] != fold_N[1]), bool(fold_N[2] != fold_N[3])
        (True, True)
    """
    num_clips = len(occurs_NC)
    num_folds = min(num_folds, num_clips)
    order = np.random.default_rng(seed).permutation(num_clips)
    fold_N = np.full(num_clips, -1, np.int64)
    for column in (*np.argsort(occurs_NC.sum(axis=0), kind="stable"), None):
        of_class_N = np.ones(num_clips, np.bool_) if column is None else occurs_NC[:, column]
        for clip in order:
            if of_class_N[clip] and fold_N[clip] < 0:
                dealt_N = fold_N >= 0
                same = np.bincount(fold_N[dealt_N & of_class_N], minlength=num_folds)
                every = np.bincount(fold_N[dealt_N], minlength=num_folds)
                fold_N[clip] = np.lexsort((every, same))[0]
    return fold_N


@dataclass(frozen=True)
class FScore:
    """The harmonic mean of precision and recall, within 0..1, and a 95 % interval of it.

    Attributes:
        value: over all clips together; NaN where nothing is there and nothing was found.
        low: where the interval begins.
        high: where it ends.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, counts_N3: NDArray[np.int64], seed: int = 0) -> FScore:
        """Of what was found rightly, found wrongly, and missed in each clip.

        The interval is that of the percentile bootstrap over clips (Efron and Tibshirani, 1993):
        how the number moves if other clips of the kind had been there. Of very few clips it is
        too narrow.

        Example:
            >>> FScore.of(np.array([[3, 1, 0], [0, 0, 2]])).value
            0.6666666666666666
        """
        value = float(_f(counts_N3.sum(axis=0)))
        if math.isnan(value):
            return cls(value, value, value)
        rng = np.random.default_rng(seed)
        drawn_RN = rng.integers(len(counts_N3), size=(NUM_RESAMPLINGS, len(counts_N3)))
        resampled_R = _f(counts_N3[drawn_RN].sum(axis=1))
        tail = 100 * (1 - COVERAGE) / 2
        low, high = np.nanpercentile(resampled_R, (tail, 100 - tail))
        return cls(value, float(low), float(high))

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def _f(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F of counts (..., 3); NaN where nothing is there and nothing was found."""
    right, wrong, missed = np.moveaxis(counts.astype(np.float64), -1, 0)
    both = 2 * right + wrong + missed
    f: NDArray[np.float64] = np.divide(
        2 * right, both, out=np.full_like(both, np.nan), where=both > 0
    )
    return f


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How well one class is found in one modality.

    Attributes:
        clips: F of finding the clips that have it.
        seconds: F of finding its seconds, over the clips in which its times are known; None if
            there are none.
        guess: what always saying yes reaches in the latter, or else in the former.
    """

    clips: FScore
    seconds: FScore | None
    guess: float

    @property
    def is_known(self) -> bool:
        """Whether any clip has the class, or it was found in any."""
        return not math.isnan(self.clips.value)

    @property
    def deciding(self) -> float:
        """F of the seconds, or else of the clips."""
        return (self.seconds or self.clips).value


def measure(
    targets: Sequence[NDArray[np.floating[Any]]], masks: Sequence[NDArray[np.bool_]], seed: int = 0
) -> Measured:
    """Compare what was found of one class with what is said of it.

    Args:
        targets: (T,) of each clip: 1, 0, or NaN where the class is somewhere in the clip.
        masks: (T,) of each clip, where it was found.
        seed: of the interval.

    Example:
        >>> measured = measure([np.array([1.0, 0.0])], [np.array([True, True])])
        >>> measured.clips.value, round(measured.seconds.value, 2)
        (1.0, 0.67)
    """
    pairs = [
        (mask_T[: len(target_T)], target_T) for mask_T, target_T in zip(masks, targets, strict=True)
    ]
    timed = [pair for pair in pairs if not np.isnan(pair[1]).any()]
    has_times = any(target_T.any() for _, target_T in timed)
    clips: list[Pair] = [
        (np.array([mask_T.any()]), np.array([(target_T != 0).any()])) for mask_T, target_T in pairs
    ]
    seconds: list[Pair] = [(mask_T, target_T > 0) for mask_T, target_T in timed]
    guess = [(np.ones_like(true_T), true_T) for _, true_T in (seconds if has_times else clips)]
    return Measured(
        clips=FScore.of(_outcomes(clips), seed),
        seconds=FScore.of(_outcomes(seconds), seed) if has_times else None,
        guess=FScore.of(_outcomes(guess), seed).value,
    )


def _outcomes(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    """What was found rightly, found wrongly, and missed in each clip, (N, 3)."""
    return np.array(
        [
            ((found & true).sum(), (found & ~true).sum(), (~found & true).sum())
            for found, true in pairs
        ],
        np.int64,
    )

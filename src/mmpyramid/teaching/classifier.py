"""Fits linear classifiers of segments to few examples, with times or without, and measures them.

Classifiers are calibrated, and measured by cross-validation by clip: F with an interval.

Shape letters: S segments of all clips, N clips, T segments of a clip, W windows, D width, C
classes, R resamplings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.core import Array
from mmpyramid.teachers.pooling import best
from mmpyramid.teaching.examples import Examples

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

    Example:
        >>> str(FScore(value=0.8, low=0.7, high=0.9))
        '0.80 [0.70, 0.90]'
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

    Example:
        >>> found = FScore(value=0.8, low=0.7, high=0.9)
        >>> Measured(clips=found, seconds=None, guess=0.5).clips.value
        0.8
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


PENALTY = 0.01
"""Of the squared weights, beside the mean loss."""
MOST_STEPS = 200
WINDOW = 10
"""Segments of a window: of long clips it is asked what is in each of these."""
DEVIATIONS = 2.0
"""So many standard deviations above windows without a class the score of one with it has to be."""
TRUST = 8
"""The threshold that was best for a class counts as its windows do against so many."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Weights (C, D) and biases (C,)."""

    weight_CD: Array
    bias_C: Array

    def logits(self, feature_SD: Array) -> Array:
        """Score segments, (S, C)."""
        logit_SC: Array = feature_SD @ self.weight_CD.T + self.bias_C
        return logit_SC


def fit(examples: Examples) -> Linear:
    """Logistic regression of each class, by L-BFGS; the same weights for the same examples.

    What is there weighs as much as what is not, however rare it is. Where it is only known that a
    class is somewhere in a clip, the probability of the clip counts, `sum p^2 / sum p` over its
    segments (linear softmax pooling; Wang, Li and Metze, ICASSP 2019), as often as it has segments.

    Args:
        examples: of classes that each occur.
    """
    feature_SD, target_SC = map(torch.from_numpy, (examples.feature_SD, examples.target_SC))
    clip_S = torch.from_numpy(np.unique(examples.clip_S, return_inverse=True)[1])
    is_weak_SC, target_SC = target_SC.isnan(), target_SC.nan_to_num(1.0)
    share_C = target_SC.mean(0).clamp(1 / len(target_SC), 1 - 1 / len(target_SC))
    weight_SC = torch.where(target_SC > 0, 0.5 / share_C, 0.5 / (1 - share_C)) / len(target_SC)
    weight_CD = torch.zeros(target_SC.shape[1], feature_SD.shape[1], requires_grad=True)
    bias_C = torch.zeros(target_SC.shape[1], requires_grad=True)

    def loss() -> Tensor:
        logit_SC = feature_SD @ weight_CD.T + bias_C
        segment_SC = F.binary_cross_entropy_with_logits(logit_SC, target_SC, reduction="none")
        weak_SC = -pooled(logit_SC.sigmoid(), clip_S).clamp(min=1e-12).log()[clip_S]
        loss_SC = torch.where(is_weak_SC, weak_SC, segment_SC)
        return (weight_SC * loss_SC).sum() + PENALTY / 2 * weight_CD.square().sum()

    optimizer = torch.optim.LBFGS(
        [weight_CD, bias_C], max_iter=MOST_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return Linear(weight_CD.detach().numpy(), bias_C.detach().numpy())


def pooled(prob_SC: Tensor, clip_S: Tensor) -> Tensor:
    """The probability of each clip by those of its segments, (N, C).

    Example:
        >>> pooled(torch.tensor([[0.75], [0.25], [0.5]]), torch.tensor([0, 0, 1])).tolist()
        [[0.625], [0.5]]
    """
    num_clips = int(clip_S.max()) + 1
    squares_NC, plain_NC = prob_SC.new_zeros(2, num_clips, prob_SC.shape[1]).index_add(
        1, clip_S, torch.stack((prob_SC.square(), prob_SC))
    )
    prob_NC: Tensor = squares_NC / plain_NC.clamp(min=1e-12)
    return prob_NC


def fit_folds(examples: Examples, fold_N: NDArray[np.int64]) -> dict[int, Linear]:
    """For each fold of clips, what is learned from the others."""
    every = range(examples.target_SC.shape[1])
    folds = np.unique(fold_N).tolist()
    return {fold: fit(examples.of(fold_N != fold, every)) for fold in folds}


def held_out(
    linear_of: Mapping[int, Linear], examples: Examples, fold_N: NDArray[np.int64]
) -> Array:
    """Score each segment by the classifier that was fitted without its clip, (S, C)."""
    logit_SC = np.zeros_like(examples.target_SC)
    for fold, linear in linear_of.items():
        in_fold_S = fold_N[examples.clip_S] == fold
        logit_SC[in_fold_S] = linear.logits(examples.feature_SD[in_fold_S])
    return logit_SC


@dataclass(frozen=True, eq=False)
class Calibration:
    """Which score of each class gets probability 0.5, and how far scores spread, (C,) each."""

    threshold_C: Array
    spread_C: Array

    def of(self, linear: Linear) -> Linear:
        """The classifiers whose logits these probabilities have."""
        return Linear(
            linear.weight_CD / self.spread_C[:, None],
            (linear.bias_C - self.threshold_C) / self.spread_C,
        )


def calibrate(logit_SC: Array, examples: Examples) -> Calibration:
    """Choose thresholds by scores of clips that the classifiers have not seen.

    The threshold is `DEVIATIONS` above the windows without the class, as few examples say little
    about those that have it; the more there are, the nearer it is to the threshold that separates
    these from those best.

    Args:
        logit_SC: of `held_out`.
        examples: which these are the scores of.
    """
    threshold_C, spread_C = np.zeros((2, logit_SC.shape[1]), np.float32)
    for column in range(logit_SC.shape[1]):
        score_W, has_W = _windows(logit_SC[:, column], examples, column)
        without = score_W[~has_W]
        spread = max(float(without.std()), 1e-3)
        cautious = float(without.mean()) + DEVIATIONS * spread
        fitted, num_with = best_threshold(score_W, has_W), int(has_W.sum())
        threshold_C[column] = (TRUST * cautious + num_with * fitted) / (TRUST + num_with)
        spread_C[column] = spread
    return Calibration(threshold_C, spread_C)


def _windows(logit_S: Array, examples: Examples, column: int) -> tuple[Array, NDArray[np.bool_]]:
    """The score of each window, and whether it has the class.

    Of a clip of which nothing but that is known it is the highest.
    """
    scores: list[float] = []
    has: list[bool] = []
    for clip in np.unique(examples.clip_S):
        own_S = examples.clip_S == clip
        logit_T, target_T = logit_S[own_S], examples.target_SC[own_S, column]
        starts = range(0, len(logit_T), WINDOW)
        found = [float(best(logit_T[start : start + WINDOW])) for start in starts]
        if np.isnan(target_T).any():
            scores.append(max(found))
            has.append(True)
        else:
            scores += found
            has += [bool(target_T[start : start + WINDOW].any()) for start in starts]
    return np.array(scores, np.float32), np.array(has)


def windows_with(examples: Examples, column: int) -> NDArray[np.bool_]:
    """Whether each window that a class is calibrated by has it."""
    return _windows(np.zeros(len(examples.clip_S), np.float32), examples, column)[1]


def best_threshold(score_W: Array, has_W: NDArray[np.bool_]) -> float:
    """The middle of those that give the highest F.

    Example:
        >>> best_threshold(np.array([0.0, 1.0, 3.0, 4.0]), np.array([False, False, True, True]))
        2.0
    """
    ordered = np.unique(score_W)
    limits = np.concatenate((ordered[:1] - 1, (ordered[1:] + ordered[:-1]) / 2))
    found: NDArray[np.bool_] = np.greater_equal(score_W[None], limits[:, None])
    right = (found & has_W).sum(axis=1)
    f = 2 * right / (found.sum(axis=1) + has_W.sum())
    (highest,) = np.nonzero(f >= f.max() - 1e-9)
    return float(limits[highest[len(highest) // 2]])

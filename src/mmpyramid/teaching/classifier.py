"""Fits linear classifiers of segments to few examples, with times or without, and calibrates them.

Shape letters: S segments of all clips, N clips, W windows, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.core import Array
from mmpyramid.models.segment_classifier import NUM_BEST
from mmpyramid.teaching.examples import Examples

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
        held_S = fold_N[examples.clip_S] == fold
        logit_SC[held_S] = linear.logits(examples.feature_SD[held_S])
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
        best, num_with = best_threshold(score_W, has_W), int(has_W.sum())
        threshold_C[column] = (TRUST * cautious + num_with * best) / (TRUST + num_with)
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
        found = [_best(logit_T[start : start + WINDOW]) for start in starts]
        if np.isnan(target_T).any():
            scores.append(max(found))
            has.append(True)
        else:
            scores += found
            has += [bool(target_T[start : start + WINDOW].any()) for start in starts]
    return np.array(scores, np.float32), np.array(has)


def _best(logit_T: Array) -> float:
    return float(np.sort(logit_T)[-NUM_BEST:].mean())


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
    (best,) = np.nonzero(f >= f.max() - 1e-9)
    return float(limits[best[len(best) // 2]])

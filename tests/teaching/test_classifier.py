"""Few examples, with times or without, teach what was planted in simulated features."""

import numpy as np
import pytest

from mmpyramid.teaching.classifier import best_threshold, calibrate, fit, fit_folds, held_out
from mmpyramid.teaching.examples import Examples

WIDTH, LENGTH = 32, 10


def planted(num_clips=24, *, weak=False, strength=0.6, seed=0):
    """Simulated: of each class, a third of the clips have it in their seconds 2 to 5."""
    directions_CD = np.linalg.qr(np.random.default_rng(7).normal(size=(WIDTH, 2)))[0].T
    rng = np.random.default_rng(seed)
    feature_NTD = rng.normal(size=(num_clips, LENGTH, WIDTH)) / np.sqrt(WIDTH)
    truth_NTC = np.zeros((num_clips, LENGTH, 2), np.float32)
    for column in range(2):
        feature_NTD[column::3, 2:6] += strength * directions_CD[column]
        truth_NTC[column::3, 2:6, column] = 1
    target_NTC = truth_NTC.copy()
    if weak:
        target_NTC[np.broadcast_to(truth_NTC.any(1, keepdims=True), truth_NTC.shape)] = np.nan
    examples = Examples(
        feature_SD=feature_NTD.reshape(-1, WIDTH).astype(np.float32),
        clip_S=np.repeat(np.arange(num_clips), LENGTH),
        target_SC=target_NTC.reshape(-1, 2),
    )
    return examples, truth_NTC.reshape(-1, 2)


@pytest.mark.parametrize("weak", [False, True])
def test_unseen_clips_are_separated(weak):
    linear = fit(planted(weak=weak, strength=1.5)[0])
    unseen, truth_SC = planted(strength=1.5, seed=1)
    logit_SC = linear.logits(unseen.feature_SD)
    for column in range(2):
        on = truth_SC[:, column] > 0
        assert (logit_SC[on, column][:, None] > logit_SC[~on, column]).mean() > 0.95


def test_without_times_the_seconds_are_found_nevertheless():
    """Most seconds of the clips that have it do not: a mean over the clip would mislead."""
    examples, truth_SC = planted(weak=True, strength=1.5)
    logit_SC = fit(examples).logits(examples.feature_SD)
    inside = examples.clip_S % 3 == 0
    on, off = (logit_SC[inside & (truth_SC[:, 0] == value), 0] for value in (1, 0))
    assert (on[:, None] > off).mean() > 0.95


def test_the_same_examples_give_the_same_weights():
    first, second = (fit(planted()[0]) for _ in range(2))
    np.testing.assert_array_equal(first.weight_CD, second.weight_CD)
    np.testing.assert_array_equal(first.bias_C, second.bias_C)


def test_a_fold_is_scored_without_its_clips():
    examples, _ = planted()
    fold_N = np.arange(24) % 4
    linear_of = fit_folds(examples, fold_N)
    logit_SC = held_out(linear_of, examples, fold_N)
    own_S = fold_N[examples.clip_S] == 2
    others = examples.of(fold_N != 2, range(2))
    assert not np.isin(others.clip_S, np.flatnonzero(fold_N == 2)).any()
    expected = fit(others).logits(examples.feature_SD[own_S])
    np.testing.assert_allclose(logit_SC[own_S], expected, atol=1e-5)


def test_the_threshold_is_above_clips_without_the_class_and_follows_many_with_it():
    examples, truth_SC = planted(24, strength=0.0)
    logit_SC = np.where(truth_SC > 0, 10.0, 0.0).astype(np.float32)
    logit_SC += np.random.default_rng(0).normal(size=logit_SC.shape).astype(np.float32)
    few = calibrate(logit_SC, examples)
    best_of = [
        np.sort(logit_SC[examples.clip_S == clip, 0])[-3:].mean()
        for clip in range(24)
        if clip % 3 != 0
    ]
    cautious = np.mean(best_of) + 2 * np.std(best_of)
    assert cautious < few.threshold_C[0] < 6
    assert few.spread_C[0] == pytest.approx(np.std(best_of), rel=1e-4)
    linear = fit(examples)
    prob = few.of(linear).logits(examples.feature_SD)
    expected = (linear.logits(examples.feature_SD) - few.threshold_C) / few.spread_C
    np.testing.assert_allclose(prob, expected, atol=1e-4)


def test_long_clips_are_calibrated_by_their_windows():
    """One clip of 100 s with 30 s of the class has seven windows without it."""
    target_SC = np.zeros((100, 1), np.float32)
    target_SC[20:50] = 1
    logit_SC = np.where(target_SC > 0, 5, np.arange(100)[:, None] % 7).astype(np.float32)
    examples = Examples(
        feature_SD=np.ones((100, 3), np.float32),
        clip_S=np.zeros(100, np.int64),
        target_SC=target_SC,
    )
    assert calibrate(logit_SC, examples).spread_C[0] < 1


def test_the_best_threshold_separates_best():
    scores = np.array([0.0, 1.0, 2.0, 5.0, 6.0])
    assert best_threshold(scores, np.array([False, False, False, True, True])) == 3.5
    assert best_threshold(scores, np.array([True] * 5)) < 0
    # A wrong one is worth it where three are right.
    mixed = best_threshold(scores, np.array([False, True, True, False, True]))
    assert 0 < mixed < 1

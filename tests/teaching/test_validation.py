"""Folds by clip, F, and its interval."""

import numpy as np
import pytest

from mmpyramid.teaching.classifier import FScore, folds_of, measure


def test_each_class_is_in_as_many_folds_as_it_can_be():
    rng = np.random.default_rng(1)
    occurs_NC = rng.random((60, 6)) < (0.04, 0.06, 0.1, 0.2, 0.5, 0.9)
    fold_N = folds_of(occurs_NC, 10, seed=3)
    assert np.bincount(fold_N).tolist() == pytest.approx([6] * 10, abs=2)
    rarest = int(occurs_NC.sum(axis=0).argmin())
    of_rarest = fold_N[occurs_NC[:, rarest]]
    assert len(set(of_rarest.tolist())) == min(10, len(of_rarest))
    np.testing.assert_array_equal(fold_N, folds_of(occurs_NC, 10, seed=3))
    assert (fold_N != folds_of(occurs_NC, 10, seed=4)).any()


def test_two_clips_of_a_class_are_never_in_one_fold():
    occurs_NC = np.zeros((9, 2), np.bool_)
    occurs_NC[:2, 0] = occurs_NC[1:3, 1] = True
    for seed in range(20):
        fold_N = folds_of(occurs_NC, 10, seed)
        assert fold_N[0] != fold_N[1] != fold_N[2]


def test_the_interval_is_that_of_other_clips():
    """With 200 clips of one event, F of precision 1 and recall 0.7 is 0.82, give or take 0.04."""
    counts_N3 = np.array([[1, 0, 0]] * 140 + [[0, 0, 1]] * 60)
    score = FScore.of(counts_N3)
    assert score.value == pytest.approx(2 * 140 / 340)
    # The standard error of recall is sqrt(.7 * .3 / 200) = 0.032, and dF/dr = 2 / (1 + r)^2 = 0.69.
    assert score.high - score.low == pytest.approx(2 * 1.96 * 0.69 * 0.0324, rel=0.15)
    assert score.low < score.value < score.high
    assert str(FScore(0.5, 0.25, 1.0)) == "0.50 [0.25, 1.00]"
    assert FScore.of(counts_N3) == score


def test_clips_and_seconds_are_measured_apart():
    timed = np.array([1.0, 1, 0, 0])
    somewhere = np.full(4, np.nan)
    nothing = np.zeros(4)
    masks = [np.array([True, False, False, True]), np.zeros(4, np.bool_), np.zeros(4, np.bool_)]
    measured = measure([timed, somewhere, nothing], masks)
    assert measured.clips.value == pytest.approx(2 / 3)  # One found, one missed.
    assert measured.seconds.value == pytest.approx(0.5)  # One right, one wrong, one missed.
    assert measured.guess == pytest.approx(2 * 2 / (2 + 8))
    assert measured.deciding == measured.seconds.value
    weak = measure([somewhere, nothing], masks[:2])
    assert weak.seconds is None
    assert weak.deciding == weak.clips.value == 1
    assert weak.guess == pytest.approx(2 / 3)
    assert not measure([nothing], [np.zeros(4, np.bool_)]).is_known

"""PSDS against the numbers of sed_scores_eval (from scores) and psds_eval, on worked examples."""

from dataclasses import replace

import numpy as np
import pytest

from mmpyramid import UserError
from mmpyramid.problems.event_measures import PSDS1, PSDS2, psds


def example(seconds=1800):
    """Two clips, Dog and Cat; nothing happens after the first ten seconds."""
    score_NTC = np.full((2, seconds, 2), 0.05)
    score_NTC[0, :10, 0] = [0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.4, 0.4, 0.1]
    score_NTC[0, :10, 1] = [0.8, 0.8, 0.6] + [0.1] * 7
    score_NTC[1, :10, 0] = [0.1, 0.1, 0.1, 0.1, 0.7, 0.2, 0.1, 0.1, 0.1, 0.1]
    score_NTC[1, :10, 1] = [0.1, 0.1, 0.1, 0.1, 0.65, 0.1, 0.1, 0.6, 0.1, 0.1]
    truth_NTC = np.zeros(score_NTC.shape, bool)
    truth_NTC[0, 2:9, 0] = truth_NTC[0, :3, 1] = truth_NTC[1, 4:5, 0] = True
    return score_NTC, truth_NTC


def test_both_scenarios_of_the_example():
    assert psds(*example(), PSDS1) == pytest.approx(0.98)
    assert psds(*example(), PSDS2) == pytest.approx(1.0)
    assert psds(*example(), replace(PSDS1, spread_weight=0)) == pytest.approx(0.99)


def test_a_confusion_costs():
    score_NTC, truth_NTC = example()
    score_NTC[1, 4, 1] = 0.85
    assert psds(score_NTC, truth_NTC, PSDS1) == pytest.approx(0.98)
    assert psds(score_NTC, truth_NTC, PSDS2) == pytest.approx(0.99)


def test_in_twenty_seconds_one_alarm_is_too_many():
    assert psds(*example(10), PSDS1) == 0


def test_segments_that_do_not_exist_neither_count_nor_alarm():
    score_NTC, truth_NTC = example()
    mask_NT = np.ones((2, 1810), bool)
    mask_NT[:, 1800:] = False
    padded = [
        np.pad(x, ((0, 0), (0, 10), (0, 0)), constant_values=1) for x in (score_NTC, truth_NTC)
    ]
    assert psds(*padded, PSDS1, mask_NT=mask_NT) == psds(score_NTC, truth_NTC, PSDS1)


def slow_counts(score_NTC, truth_NTC, threshold):
    """True positives and false positives at one threshold of scenario 1, one class."""
    right = alarms = 0
    for score_T, truth_T in zip(score_NTC[..., 0], truth_NTC[..., 0], strict=True):
        runs = [
            np.flatnonzero(part)
            for part in (
                np.isin(np.arange(len(truth_T)), each)
                for each in np.split(
                    np.flatnonzero(score_T >= threshold),
                    np.flatnonzero(np.diff(np.flatnonzero(score_T >= threshold)) > 1) + 1,
                )
            )
            if part.any()
        ]
        counted = np.zeros(len(truth_T), bool)
        for run in runs:
            if truth_T[run].sum() >= 0.7 * len(run):
                counted[run] = True
            else:
                alarms += 1
        true = np.flatnonzero(truth_T)
        for run in np.split(true, np.flatnonzero(np.diff(true) > 1) + 1):
            right += len(run) > 0 and counted[run].sum() >= 0.7 * len(run)
    return right, alarms


@pytest.mark.parametrize("seed", range(4))
def test_all_thresholds_at_once_are_the_thresholds_one_by_one(seed):
    random = np.random.default_rng(seed)
    truth_NTC = np.repeat(random.random((300, 4, 1)) < 0.2, 3, axis=1)
    score_NTC = np.round(np.clip(0.5 * truth_NTC + 0.6 * random.random(truth_NTC.shape), 0, 1), 1)
    hours = truth_NTC[..., 0].size / 3600
    steps = np.diff(np.pad(truth_NTC[..., 0], ((0, 0), (1, 0))).astype(int), axis=1)
    points = [slow_counts(score_NTC, truth_NTC, t) for t in np.unique(score_NTC)[::-1] if t > 0]
    most = 500.0
    area = best = alarms_before = 0.0
    for right, alarms in sorted(points, key=lambda point: point[1]):
        rate = min(alarms / hours, most)
        area += best * (rate - alarms_before)
        best, alarms_before = max(best, right / (steps == 1).sum()), rate
    expected = (area + best * (most - alarms_before)) / most
    settings = replace(PSDS1, most_alarms=most)
    assert psds(score_NTC, truth_NTC, settings) == pytest.approx(expected)


def test_nothing_true_and_wrong_shapes():
    score_NTC, truth_NTC = example(10)
    assert np.isnan(psds(score_NTC, np.zeros_like(truth_NTC)))
    with pytest.raises(UserError, match="one shape"):
        psds(score_NTC, truth_NTC[:1])
    with pytest.raises(UserError, match="segments to score, got none"):
        psds(score_NTC[:, :0], truth_NTC[:, :0])

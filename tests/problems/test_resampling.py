"""Intervals and tests against worked numbers, scipy's golden values, and plain loops."""

import time

import numpy as np
import pytest

from mmpyramid import UserError
from mmpyramid.problems.resampling import bootstrap, holm, mean_intervals, paired_test

X = np.array([1, 0, 0.5, 0.75, 1, 0.25])[:, None]
Y = np.array([0.5, 0, 0.5, 1, 0.5, 0])[:, None]


def test_the_exact_test_and_the_interval_are_those_of_scipy():
    found = paired_test(X, Y)
    assert found.difference == pytest.approx([1 / 6])
    assert found.p == pytest.approx([0.375])  # scipy.stats.permutation_test, samples
    assert (found.low[0], found.high[0]) == pytest.approx((-0.0417, 0.375), abs=1e-3)
    assert found.num_videos == 6


def test_random_flips_come_close_to_the_exact_p():
    first, second = np.tile(X, (3, 1)), np.tile(Y, (3, 1))  # 2^18 ways are not tried
    signs = 1 - 2 * (np.arange(2**18)[:, None] >> np.arange(18) & 1)
    sums = np.abs(signs @ (first - second)[:, 0])
    exact = np.mean(sums >= abs((first - second).sum()) - 1e-9)
    assert paired_test(first, second).p[0] == pytest.approx(exact, abs=0.01)


def test_equal_systems_do_not_differ_and_p_has_a_floor():
    same = paired_test(np.tile(X, (5, 1)), np.tile(X, (5, 1)), resamples=99)
    assert (same.p[0], same.low[0], same.high[0]) == (1, 0, 0)
    better = paired_test(np.ones((40, 1)), np.zeros((40, 1)), resamples=99)
    assert better.p[0] == pytest.approx(1 / 100)


def test_a_video_that_is_drawn_twice_counts_as_two():
    counts_N2 = np.array([[1, 2], [0, 3], [4, 4]])
    ends = bootstrap(
        lambda weight_RN: (weight_RN @ counts_N2)[:, 0] / (weight_RN @ counts_N2)[:, 1],
        3,
        resamples=2000,
        seed=3,
    )
    random = np.random.default_rng(3)
    ratios = []
    for rows in random.integers(3, size=(2000, 3)):  # one block of draws
        drawn = np.concatenate([counts_N2[[row]] for row in rows])
        ratios.append(drawn[:, 0].sum() / drawn[:, 1].sum())
    assert ends == pytest.approx(np.quantile(ratios, (0.025, 0.975)))


def test_blocks_of_draws_make_one_interval():
    value_NK = np.random.default_rng(1).random((700, 3))
    low, high = mean_intervals(value_NK, resamples=4000)
    half = 1.96 * value_NK.std(axis=0) / np.sqrt(700)
    assert high - low == pytest.approx(2 * half, rel=0.06)
    assert (low < value_NK.mean(axis=0)).all()
    assert np.array_equal(mean_intervals(value_NK, resamples=4000), [low, high])


def test_what_is_undefined_in_a_draw_is_left_out():
    present = np.array([1.0, 0.0, 0.0])
    ends = bootstrap(
        lambda weight_RN: np.stack(
            [np.where(weight_RN @ present > 0, 5.0, np.nan), np.full(len(weight_RN), np.nan)], -1
        ),
        3,
        resamples=200,
    )
    assert ends[:, 0].tolist() == [5, 5]
    assert np.isnan(ends[:, 1]).all()


def test_holm():
    assert holm(np.array([0.01, 0.02, 0.03, 0.5])) == pytest.approx([0.04, 0.06, 0.06, 0.5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_intervals(X[:1]), "at least 2 videos to draw from, got 1"),
        (lambda: mean_intervals(X, resamples=0), "1 to 1,000,000 resamples .* got 0 and 0.95"),
        (lambda: mean_intervals(X, resamples=10**14), "1 to 1,000,000 resamples .* got 10{14} "),
        (lambda: paired_test(X, X, resamples=10**6 + 1), "1 to 1,000,000 resamples .* got 1000001"),
        (lambda: mean_intervals(X, confidence=1), "between 0 and 1, got 9999 and 1"),
        (lambda: paired_test(X, Y[:5]), r"same videos .* got \(6, 1\) and \(5, 1\)"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(UserError, match=message):
        call()


@pytest.mark.alone
def test_a_thousand_draws_of_twelve_hundred_videos_take_less_than_three_seconds():
    value_NK = np.random.default_rng(0).random((1200, 10))
    start = time.perf_counter()
    paired_test(value_NK, value_NK[::-1], resamples=1000)
    assert time.perf_counter() - start < 3

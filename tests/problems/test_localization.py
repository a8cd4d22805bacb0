"""Accuracy of event localization: the two rules, the trivial references, the report."""

import json

import numpy as np
import pytest
import torch

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.ave import read_ave
from mmpyramid.problems.localization.decisions import argmax_rule, two_head_rule
from mmpyramid.problems.localization.metrics import (
    AccuracyPair,
    LocalizationMetrics,
    LocalizationReport,
    localization_table,
)

BACKGROUND = 3
REPORT = LocalizationReport(
    all=AccuracyPair(argmax=77.123, two_head=77.8), subset=AccuracyPair(argmax=63.9, two_head=64.0)
)


def random_predictions(num_clips=50, num_segments=10, seed=0):
    rng = np.random.default_rng(seed)
    argmax, two_head, truth = rng.integers(0, BACKGROUND + 1, (3, num_clips, num_segments))
    mask = np.arange(num_segments) < rng.integers(1, num_segments + 1, num_clips)[:, None]
    return argmax, two_head, truth, rng.random(num_clips) < 0.4, mask


def report_of(*arrays):
    """The report of one batch: predictions by both rules, truth, subset, and a mask if given."""
    metrics = LocalizationMetrics()
    metrics.update(*map(torch.as_tensor, arrays))
    return metrics.report()


def accuracy(predicted, truth, mask):
    """Counted one by one."""
    pairs = [(predicted[place], truth[place]) for place in zip(*np.nonzero(mask), strict=True)]
    return 100 * sum(guess == true for guess, true in pairs) / len(pairs)


def test_the_two_head_rule_needs_more_than_one_half():
    relevance = np.array([[0.5, np.nextafter(0.5, 1), 1.0], [0.0, 0.49, 0.51]])
    category = np.array([[-1.0, 3.0, 2.0], [5.0, 4.0, 3.0]])
    assert two_head_rule(relevance, category).tolist() == [[3, 1, 1], [3, 3, 0]]
    in_single = np.array([[0.5, 0.5000001]], np.float32)
    assert two_head_rule(in_single, category[:1]).tolist() == [[3, 1]]


def test_the_category_may_itself_be_background():
    relevance = np.array([[0.9, 0.1], [0.9, 0.1]])
    category = np.array([[0.1, 0.2, 0.3, 0.9], [0.1, 0.2, 0.3, 0.1]])
    predicted = two_head_rule(relevance, category, background=BACKGROUND)
    assert predicted.tolist() == [[3, 3], [2, 3]]


def test_the_argmax_rule_reads_each_segment_by_itself():
    scores = np.array([[[0.1, 0.2, -5.0], [-3.0, -9.0, -1.0], [2.0, 2.0, 1.0]]])
    assert argmax_rule(scores).tolist() == [[1, 2, 0]]


@pytest.mark.parametrize(
    ("relevance", "category", "expected"),
    [
        (np.zeros((2, 5)), np.zeros((3, 4)), r"\(2, 5\) and \(3, 4\)"),
        (np.full((2, 5), 1.5), np.zeros((2, 3)), "sigmoid"),
        (np.full((2, 5), np.nan), np.zeros((2, 3)), "sigmoid"),
        (np.zeros((2, 5)), np.full((2, 3), np.nan), "diverged"),
        (np.zeros((2, 5)), np.zeros((2, 6)), "scores of 3 categories"),
    ],
)
def test_what_is_no_score_is_refused(relevance, category, expected):
    with pytest.raises(UserError, match=expected):
        two_head_rule(relevance, category, background=BACKGROUND)


def test_scores_of_segments_are_checked():
    with pytest.raises(UserError, match=r"\(N, T, C \+ 1\), got \(2, 3\)"):
        argmax_rule(np.zeros((2, 3)))
    with pytest.raises(UserError, match="diverged"):
        argmax_rule(np.full((1, 2, 3), np.nan))


def test_accuracy_counts_segments_that_exist():
    predicted, truth = np.array([[0, 1, 3], [2, 2, 2]]), np.array([[0, 0, 3], [2, 0, 0]])
    subset = np.array([True, True])
    assert report_of(predicted, predicted, truth, subset).all.argmax == 50.0
    mask = np.array([[True, True, True], [True, False, False]])
    assert report_of(predicted, predicted, truth, subset, mask).all.two_head == 75.0
    with pytest.raises(UserError, match="at least one segment"):
        report_of(predicted, predicted, truth, subset, np.zeros_like(mask))


def test_the_report_scores_the_subset_by_itself():
    argmax, two_head, truth, subset, mask = random_predictions()
    report = report_of(argmax, two_head, truth, subset, mask)
    in_subset = mask & subset[:, None]
    assert report == LocalizationReport(
        all=AccuracyPair(
            argmax=accuracy(argmax, truth, mask), two_head=accuracy(two_head, truth, mask)
        ),
        subset=AccuracyPair(
            argmax=accuracy(argmax, truth, in_subset), two_head=accuracy(two_head, truth, in_subset)
        ),
    )
    assert report_of(argmax, two_head, truth, subset & False, mask).subset is None


def test_masks_of_numbers_are_masks():
    argmax, two_head, truth, subset, mask = random_predictions()
    report = report_of(argmax, two_head, truth, subset, mask)
    for kind in (int, np.float32):
        numbers = (subset.astype(kind), mask.astype(kind))
        assert report_of(argmax, two_head, truth, *numbers) == report


def test_a_subset_without_a_segment_is_left_out():
    argmax, two_head, truth, subset, mask = random_predictions()
    mask = mask & ~subset[:, None]
    report = report_of(argmax, two_head, truth, subset, mask)
    assert report.subset is None
    assert report.all.argmax == accuracy(argmax, truth, mask)


def test_shapes_of_a_report_are_checked():
    argmax, two_head, truth, subset, mask = random_predictions()
    with pytest.raises(UserError, match=r"subset \(B,\), got .* and \(5,\)"):
        report_of(argmax, two_head, truth, subset[:5], mask)
    with pytest.raises(UserError, match=r"one shape \(B, T\)"):
        report_of(argmax, two_head, truth, subset, mask[:5])
    with pytest.raises(UserError, match=r"one shape \(B, T\)"):
        report_of(argmax, two_head[:, :5], truth, subset)


def test_a_report_as_json():
    assert json.loads(json.dumps(REPORT.to_dict())) == {
        "all": {"argmax": REPORT.all.argmax, "two_head": REPORT.all.two_head},
        "subset": {"argmax": REPORT.subset.argmax, "two_head": REPORT.subset.two_head},
    }
    assert LocalizationReport(all=REPORT.all, subset=None).to_dict()["subset"] is None


def test_tables():
    assert REPORT.table("title") == (
        "title\n"
        "             argmax  two-head\n"
        "all clips     77.12     77.80\n"
        "subset        63.90     64.00"
    )
    table = localization_table(
        {"network": REPORT, "background": LocalizationReport(all=REPORT.all, subset=None)}, "title"
    )
    assert table == (
        "title\n"
        "                     all clips              subset\n"
        "              argmax  two-head    argmax  two-head\n"
        "network        77.12     77.80     63.90     64.00\n"
        "background     77.12     77.80         -         -"
    )


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_batches_of_any_size_give_the_same_numbers(batch):
    arrays = random_predictions()
    metrics = LocalizationMetrics()
    for start in range(0, 50, batch):
        metrics.update(*(torch.from_numpy(values[start : start + batch]) for values in arrays))
    report = report_of(*arrays)
    assert metrics.report() == report
    assert metrics.compute() == {
        "accuracy_argmax": report.all.argmax,
        "accuracy_two_head": report.all.two_head,
        "subset_accuracy_argmax": report.subset.argmax,
        "subset_accuracy_two_head": report.subset.two_head,
    }


def test_the_metric_without_a_mask_without_a_subset_and_without_anything():
    argmax, two_head, truth, subset, _ = map(torch.from_numpy, random_predictions())
    metrics = LocalizationMetrics()
    with pytest.raises(UserError, match="call `update` first"):
        metrics.compute()
    metrics.update(argmax, two_head, truth, torch.zeros_like(subset))
    assert metrics.compute().keys() == {"accuracy_argmax", "accuracy_two_head"}
    every = np.ones(truth.shape, bool)
    accuracies = (accuracy(each.numpy(), truth.numpy(), every) for each in (argmax, two_head))
    expected = AccuracyPair(**dict(zip(("argmax", "two_head"), accuracies, strict=True)))
    assert metrics.report() == LocalizationReport(all=expected, subset=None)
    metrics.reset()
    assert metrics.num_segments.sum() == 0


@pytest.mark.parametrize(
    ("reference", "every", "subset"), [("background", 715, 715), ("category", 3_305, 695)]
)
def test_the_trivial_references_on_the_real_test_split(shared, reference, every, subset):
    """17.8 and 82.2 on 4,020 segments; 50.7 and 49.3 on the 1,410 of the subset."""
    test = read_ave(shared / "data" / "ave", "test")
    category = test.category[:, None] if reference == "category" else test.background
    answer = np.broadcast_to(category, test.segment.shape).copy()
    report = report_of(answer, answer, test.segment, (test.segment == test.background).any(1))
    assert report.all.argmax == report.all.two_head == 100 * every / 4_020
    assert report.subset.argmax == report.subset.two_head == 100 * subset / 1_410

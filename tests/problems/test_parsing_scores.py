"""The ten numbers: by hand, against the slow reference, against the authors' evaluator."""

import time
from pathlib import Path

import numpy as np
import parsing_reference
import pytest

from mmpyramid import UserError
from mmpyramid.problems.parsing import (
    event_counts,
    parsing_f_scores,
    parsing_report,
    segment_counts,
)
from mmpyramid.problems.parsing.metrics import LEVELS, MEASURES

OFFICIAL = Path(__file__).with_name("official_scores.npz")


def mask(*segments, num_segments=10):
    """(1, T, 1) with ones at `segments`."""
    cells = np.zeros((1, num_segments, 1), dtype=bool)
    cells[0, list(segments)] = True
    return cells


def test_a_case_worked_out_by_hand():
    # Two videos, two classes; the second video is empty and scores 1 everywhere.
    audio, visual, true_audio, true_visual = np.zeros((4, 2, 10, 2), dtype=bool)
    true_audio[0, 0:4, 0], audio[0, 2:6, 0] = True, True  # 2 TP, 2 FP, 2 FN; IoU 2/6: no event
    audio[0, 9, 1] = True  # class 1 is a false alarm: F 0
    true_visual[0, 0:10, 0], visual[0, 0:5, 0] = True, True  # 5 TP, 5 FN; IoU 5/10: an event
    # Heard and seen: truth 0..3, predicted 2..4, so 2 TP, 1 FP, 2 FN; IoU 2/5: no event.
    expected = {
        "segment": {
            "audio": (4 / 8 + 0) / 2,
            "visual": 10 / 15,
            "audio_visual": 4 / 7,
            "event_av": (14 / 23 + 0) / 2,  # class 0: 2+5 TP, 2+0 FP, 2+5 FN
        },
        "event": {
            "audio": 0.0,
            "visual": 1.0,
            "audio_visual": 0.0,
            "event_av": (2 / 4 + 0) / 2,  # class 0: 0+1 TP, 1+0 FP, 1+0 FN
        },
    }
    report = parsing_report(audio, visual, true_audio, true_visual).to_dict()
    for level, scores in expected.items():
        means = {name: 100 * (score + 1) / 2 for name, score in scores.items()}
        means["type_av"] = (means["audio"] + means["visual"] + means["audio_visual"]) / 3
        assert report[level] == pytest.approx(means, abs=1e-12)


def test_agrees_with_the_released_evaluator():
    """The scores that the authors' code gave these masks; see benchmarks/evaluation.py."""
    golden = np.load(OFFICIAL)
    shape = (4, *golden["shape"])
    masks = np.unpackbits(golden["masks"], count=np.prod(shape)).astype(bool).reshape(shape)
    assert np.unique(golden["f"]).size > 100
    assert np.abs(parsing_f_scores(*masks) - golden["f"]).max() < 1e-12


@pytest.mark.parametrize("iou_threshold", [0.1, 0.3, 1 / 3, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("density", [0.05, 0.4, 0.8])
def test_agrees_with_the_slow_reference(density, iou_threshold):
    masks = parsing_reference.random_masks(seed=3, density=density)
    expected = parsing_reference.f_scores(*masks, iou=iou_threshold)
    found = parsing_f_scores(*masks, iou_threshold=iou_threshold)
    assert found.shape == (len(masks[0]), len(LEVELS), len(MEASURES))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 1, 2), (2, 37, 4), (1, 10, 1)])
def test_any_number_of_segments_and_classes(shape):
    masks = parsing_reference.random_masks(seed=4, shape=shape, density=0.7)
    expected = parsing_reference.f_scores(*masks)
    np.testing.assert_allclose(parsing_f_scores(*masks), expected, rtol=0, atol=1e-12)


def test_a_run_at_the_end_of_a_row_does_not_join_the_next_row():
    # Segments 8, 9 of class 0 and 0, 1 of class 1 are neighbors in memory.
    predicted = np.zeros((1, 10, 2), dtype=bool)
    predicted[0, 8:, 0] = predicted[0, :2, 1] = True
    counts = event_counts(predicted, predicted)
    assert counts.tolist() == [[[1, 0, 0], [1, 0, 0]]]


@pytest.mark.parametrize(
    ("predicted", "truth", "iou_threshold", "expected"),
    [
        pytest.param([0, 1], [0, 1, 2, 3], 0.5, (1, 0, 0), id="exactly half is enough"),
        pytest.param([0], [0, 1, 2], 0.5, (0, 1, 1), id="a third is not"),
        pytest.param([0, 2], [0, 1, 2], 0.3, (2, 0, 0), id="two predictions hit one event"),
        pytest.param([0, 1, 2], [0, 2], 0.3, (1, 0, 0), id="one prediction hits two events"),
        pytest.param([0, 1], [2, 3], 0.1, (0, 1, 1), id="neighbors do not overlap"),
        pytest.param([], [4], 0.5, (0, 0, 1), id="missed"),
        pytest.param([4], [], 0.5, (0, 1, 0), id="false alarm"),
        pytest.param([], [], 0.5, (0, 0, 0), id="nothing at all"),
    ],
)
def test_events_match_by_intersection_over_union(predicted, truth, iou_threshold, expected):
    counts = event_counts(mask(*predicted), mask(*truth), iou_threshold)
    assert counts.tolist() == [[[*expected]]]


def test_counts_of_segments():
    assert segment_counts(mask(1, 2, 3), mask(3, 4)).tolist() == [[[1, 2, 1]]]


def test_truth_scores_100_and_an_empty_video_scores_1():
    *_, true_audio, true_visual = parsing_reference.random_masks(seed=5)
    report = parsing_report(true_audio, true_visual, true_audio, true_visual).to_dict()
    assert {value for scores in report.values() for value in scores.values()} == {100.0}
    empty = np.zeros((1, 10, 25), dtype=bool)
    assert (parsing_f_scores(empty, empty, empty, empty) == 1).all()


def test_padding_changes_nothing():
    masks = parsing_reference.random_masks(seed=6)
    expected = parsing_f_scores(*masks)
    padded = [np.pad(each, ((0, 0), (0, 7), (0, 0))) for each in masks]
    assert (parsing_f_scores(*padded) == expected).all()
    dirty = [np.pad(each, ((0, 0), (0, 7), (0, 0)), constant_values=True) for each in masks]
    mask_NT = np.broadcast_to(np.arange(17) < 10, (len(masks[0]), 17))
    for kind in (bool, int, np.float32):
        assert (parsing_f_scores(*dirty, mask_NT=mask_NT.astype(kind)) == expected).all()
    assert (parsing_f_scores(*dirty) != expected).any()


def test_order_of_videos_and_integers_instead_of_bool_change_nothing():
    masks = parsing_reference.random_masks(seed=7)
    expected = parsing_f_scores(*masks)
    assert (parsing_f_scores(*(each[::-1] for each in masks))[::-1] == expected).all()
    assert (parsing_f_scores(*(each.astype(np.float32) for each in masks)) == expected).all()


def test_mistakes_are_explained():
    good = mask(1)
    with pytest.raises(UserError, match=r"one shape \(N, T, C\), got \(1, 10, 1\) and \(1, 9, 1\)"):
        parsing_f_scores(good, mask(1, num_segments=9), good, good)
    with pytest.raises(UserError, match="probabilities into masks with `llp_masks`"):
        parsing_f_scores(good * 0.7, good, good, good)
    with pytest.raises(UserError, match=r"mask of shape \(1, 10\), got \(10, 1\)"):
        parsing_f_scores(good, good, good, good, mask_NT=np.ones((10, 1), dtype=bool))
    with pytest.raises(UserError, match="`mask_NT` is True where a segment exists"):
        parsing_f_scores(good, good, good, good, mask_NT=np.full((1, 10), 0.5))
    with pytest.raises(UserError, match=r"IoU threshold in \(0, 1\], got 0"):
        parsing_f_scores(good, good, good, good, iou_threshold=0)
    with pytest.raises(UserError, match="at least one video"):
        parsing_report(*[good[:0]] * 4)


def test_the_test_split_takes_less_than_a_fifth_of_a_second():
    masks = parsing_reference.random_masks(seed=9, shape=(1200, 10, 25))
    times = []
    for _ in range(3):
        start = time.process_time()
        parsing_report(*masks)
        times.append(time.process_time() - start)
    assert min(times) < 0.2

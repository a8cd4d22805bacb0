"""Worked numbers of the evaluators of UnAV-100, ActionFormer, sed_eval and psds_eval.

Each golden value was made by that code on the same events; where the code leaves classes out that
were never found, ours counts them as 0, and the test says so.
"""

import numpy as np
import pytest

from mmpyramid import UserError
from mmpyramid.problems.counts import f_scores, macro_f, micro_f, segment_counts
from mmpyramid.problems.detection import (
    EventTable,
    average_precision,
    collar_counts,
    collar_errors,
    error_rate,
    intersection_counts,
    match_detections,
    maximum_matching,
    mean_average_precision,
    segment_errors,
)
from mmpyramid.problems.event_measures import event_measures

DOG, CAT = 0, 1


def table(*events):
    """Events as (video, label, start, end) or with a score behind."""
    columns = np.array([(*event, 1.0)[:5] for event in events], dtype=float).reshape(-1, 5).T
    video, label, start, end, score = columns
    return EventTable(
        video=video.astype(int), label=label.astype(int), start=start, end=end, score=score
    )


TRUTH = table((0, DOG, 2, 9), (0, CAT, 0, 3), (1, DOG, 4, 6))
RANKED = (
    (0, DOG, 2, 7, 0.9),
    (1, DOG, 4, 7, 0.8),
    (2, DOG, 0, 1, 0.7),
    (0, DOG, 2, 8, 0.6),
    (0, CAT, 0, 3, 0.6),
    (0, CAT, 7, 8, 0.6),
)


def precision(*found, truth=TRUTH, classes=2, **settings):
    return average_precision(match_detections(table(*found), truth, 3, classes, **settings))


def test_average_precision_is_that_of_unav():
    value_KC = precision(*RANKED)
    assert value_KC[:, DOG] == pytest.approx([100] * 6 + [50, 12.5, 0])
    assert value_KC[:, CAT] == pytest.approx([50] * 9)
    map_K = mean_average_precision(value_KC)
    assert map_K == pytest.approx([75] * 6 + [50, 31.25, 25])
    assert map_K.mean() == pytest.approx(61.805555)


def test_the_order_of_equal_scores_has_no_effect():
    one = precision(*RANKED)
    for order in ([5, 4, 3, 2, 1, 0], [4, 0, 5, 3, 1, 2]):
        assert np.array_equal(precision(*(RANKED[place] for place in order)), one)


def test_thresholds_are_those_of_the_released_evaluator():
    found, truth = [(0, DOG, 0, 7, 0.9)], table((0, DOG, 0, 10))
    assert precision(*found, truth=truth)[:, DOG].tolist() == [100] * 6 + [0, 0, 0]
    assert precision(*found, truth=truth, tiou=(0.7,)).tolist()[0][DOG] == 100


def test_classes_without_truth_and_videos_without_events():
    value_KC = precision(*RANKED, (2, 2, 0, 5, 0.9), classes=3)
    assert np.isnan(value_KC[:, 2]).all()
    assert mean_average_precision(value_KC) == pytest.approx(
        mean_average_precision(precision(*RANKED))
    )
    nothing = precision(truth=table(), classes=1)
    assert np.isnan(mean_average_precision(nothing)).all()
    assert precision()[:, DOG].tolist() == [0] * 9


def test_weights_are_videos_that_occur_again_under_new_names():
    matches = match_detections(table(*RANKED), TRUTH, 3, 2)
    weighted_KC = average_precision(matches, np.array([[2, 0, 3]]))[0]
    copies = [0, 0, 2, 2, 2]

    def copied(events):
        rows = [(new, *e[1:]) for new, old in enumerate(copies) for e in events if e[0] == old]
        return table(*rows)

    truth = [(0, DOG, 2, 9), (0, CAT, 0, 3), (1, DOG, 4, 6)]
    again_KC = average_precision(match_detections(copied(RANKED), copied(truth), 5, 2))
    assert np.allclose(weighted_KC, again_KC)


def slow_precision(found, truth, threshold):
    """The definition, one prediction at a time; scores are all different."""
    taken, right = set(), []
    for video, _, start, end, _ in sorted(found, key=lambda event: -event[4]):
        best, best_overlap = None, threshold
        for place, (other, _, first, last) in enumerate(truth):
            shared = min(end, last) - max(start, first)
            overlap = shared / (end - start + last - first - shared)
            if other == video and place not in taken and shared > 0 and overlap >= best_overlap:
                best, best_overlap = place, overlap
        taken.add(best)
        right.append(best is not None)
    area, hits = 0.0, np.cumsum(right)
    precisions = hits / np.arange(1, len(right) + 1)
    for place, is_right in enumerate(right):
        area += is_right * precisions[place:].max() / len(truth)
    return 100 * area


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_of_overlapping_events_is_that_of_the_definition(seed):
    random = np.random.default_rng(seed)

    def events(count, *, scored):
        start = random.integers(0, 8, count)
        rows = zip(
            random.integers(0, 3, count), start, start + random.integers(1, 6, count), strict=True
        )
        scores = random.permutation(count) / count
        return [
            (v, 0, s, e, *([p] if scored else []))
            for (v, s, e), p in zip(rows, scores, strict=True)
        ]

    found, truth = events(40, scored=True), events(12, scored=False)
    for threshold in (0.2, 0.45, 0.65):
        value = precision(*found, truth=table(*truth), classes=1, tiou=(threshold,))[0, 0]
        assert value == pytest.approx(slow_precision(found, truth, threshold))


SED_TRUTH = table((0, DOG, 2, 9), (0, CAT, 0, 3), (1, DOG, 4, 5))
SED_FOUND = table((0, DOG, 2.15, 8), (0, CAT, 0.5, 3), (1, DOG, 4.1, 5.25), (1, CAT, 7, 8))


def test_collars_are_those_of_sed_eval():
    count_C3 = collar_counts(SED_FOUND, SED_TRUTH, 2, 2).sum(axis=0)
    assert count_C3.sum(axis=0).tolist() == [1, 3, 2]
    assert micro_f(count_C3) == pytest.approx(28.57, abs=0.01)
    assert f_scores(count_C3) == pytest.approx([50, 0])
    assert macro_f(count_C3) == 25
    errors = collar_errors(SED_FOUND, SED_TRUTH, 2)
    assert errors.tolist() == [0, 2, 3, 3]
    assert error_rate(errors) == pytest.approx(1.6667, abs=1e-4)


def test_a_wrong_class_at_the_right_time_is_one_substitution():
    assert collar_errors(table((0, CAT, 2, 9)), table((0, DOG, 2, 9)), 2).tolist() == [1, 0, 0, 1]


def touched(events, shape_NTC):
    """Every segment that an event touches, as segment-based measures of sound events count."""
    mask_NTC = np.zeros(shape_NTC, bool)
    columns = (events.video, events.label, np.floor(events.start), np.ceil(events.end))
    for video, label, first, stop in zip(*(c.astype(int) for c in columns), strict=True):
        mask_NTC[video, first:stop, label] = True
    return mask_NTC


def test_segments_are_those_of_sed_eval():
    found, truth = (touched(each, (2, 10, 2)) for each in (SED_FOUND, SED_TRUTH))
    count_C3 = segment_counts(found, truth).sum(axis=0)
    assert count_C3.sum(axis=0).tolist() == [10, 2, 1]
    assert micro_f(count_C3) == pytest.approx(86.96, abs=0.01)
    assert f_scores(count_C3) == pytest.approx([87.5, 85.71], abs=0.01)
    assert macro_f(count_C3) == pytest.approx(86.61, abs=0.01)
    assert error_rate(segment_errors(found, truth).sum(axis=0)) == pytest.approx(0.2727, abs=1e-4)


def test_a_class_that_is_never_found_counts():
    """sed_eval's defaults and psds_eval's macro F leave it out and give 1."""
    truth = table((0, DOG, 2, 9), (0, CAT, 0, 3))
    for count in (collar_counts, intersection_counts):
        assert macro_f(count(table((0, DOG, 2, 9)), truth, 1, 2).sum(axis=0)) == 50
        assert macro_f(count(truth, table((0, DOG, 2, 9)), 1, 2).sum(axis=0)) == 50


# Truth, found: collar F, segment F, error rate, intersection F at 0.5 and at 0.7, AP at .3 .5 .7
BEHAVIOURS = {
    "exact": ([(2, 9)], [(2, 9)], 1, 1, 0, 1, 1, (1, 1, 1)),
    "split": ([(0, 10)], [(0, 4), (6, 10)], 0, 0.889, 0.2, 1, 1, (1, 0, 0)),
    "merge": ([(0, 2), (3, 5)], [(0, 5)], 0, 0.889, 0.25, 1, 1, (0.5, 0, 0)),
    "late": ([(2, 9)], [(3, 9)], 0, 0.923, 0.14, 1, 1, (1, 1, 1)),
    "early": ([(2, 9)], [(2, 8)], 1, 0.923, 0.14, 1, 1, (1, 1, 1)),
    "half": ([(0, 10)], [(0, 5)], 0, 0.667, 0.5, 1, 0, (1, 1, 0)),
    "doubled": ([(2, 4)], [(1, 5)], 0, 0.667, 1, 1, 0, (1, 1, 0)),
    "elsewhere": ([(2, 4)], [(6, 8)], 0, 0, 2, 0, 0, (0, 0, 0)),
}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_what_each_measure_makes_of_the_same_mistake(name):
    true, found, collar, segment, errors, half, most, ap = BEHAVIOURS[name]
    # The surest comes first: those of one score would count at once.
    true, found = (
        table(*((0, 0, *each, 0.9 - place / 10) for place, each in enumerate(events)))
        for events in (true, found)
    )
    assert macro_f(collar_counts(found, true, 1, 1)[0]) == 100 * collar
    masks = [touched(each, (1, 12, 1)) for each in (found, true)]
    assert macro_f(segment_counts(*masks)[0]) == pytest.approx(100 * segment, abs=0.05)
    assert error_rate(segment_errors(*masks)[0]) == pytest.approx(errors, abs=0.005)
    for share, expected in ((0.5, half), (0.7, most)):
        settings = {"detection": share, "truth_share": share}
        counted = intersection_counts(found, true, 1, 1, **settings)[0]
        assert macro_f(counted) == 100 * expected
    value_K = average_precision(match_detections(found, true, 1, 1, tiou=(0.3, 0.5, 0.7)))[:, 0]
    assert value_K.tolist() == [100 * each for each in ap]


def test_pairs_cross():
    pairs = maximum_matching(np.array([0, 0, 1, 2]), np.array([0, 1, 0, 5]))
    assert pairs.tolist() == [[0, 1], [1, 0], [2, 5]]
    assert maximum_matching(np.array([], int), np.array([], int)).shape == (0, 2)


def test_measures_of_nothing_are_none():
    nothing = np.zeros((2, 10, 3), bool)
    found = event_measures(np.zeros((2, 10, 3)), nothing, nothing)
    assert found["mAP_mean"] is None
    assert found["collar_macro_F"] is None
    assert found["segment_error_rate"] is None
    assert found["PSDS1"] is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: table((0, 0, 3, 3)), "end after they start"),
        (lambda: precision(*RANKED, tiou=(0.0,)), "tIoU in"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(UserError, match=message):
        call()

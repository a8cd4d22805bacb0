"""Events as intervals, scored as detections: average precision, collars and intersections.

LLP's own scores are on whole segments and per video (`mmpyramid.problems.parsing.metrics`). What is
here are the measures of neighbouring fields, pooled over a corpus: temporal action localization
(mAP at temporal intersection over union, as UnAV-100) and sound event detection (collar-based,
segment-based and intersection-based F, error rates).

Axes: P predicted events, E true events, N videos, T segments of one second, C classes, K
thresholds, R resamples; 3 is (true positives, false positives, false negatives).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, Runs
from mmpyramid.problems.counts import mean_of_known, ratio

TIOU = tuple(np.linspace(0.1, 0.9, 9).tolist())
"""The thresholds of UnAV-100, as its evaluator makes them: 0.3 and 0.7 are a little more than that,
so that an event of 7 s within one of 10 s is no match at 0.7. Published numbers contain it."""

Ids = NDArray[np.int64]
Times = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class EventTable:
    """Events of many videos as columns.

    Attributes:
        video: row of the video, 0..N-1.
        label: class, 0..C-1.
        start: seconds.
        end: seconds, after the start.
        score: the higher the surer; of a truth it says nothing.

    Raises:
        UserError: if the columns differ in length, or an event does not end after it starts.
    """

    video: Ids
    label: Ids
    start: Times
    end: Times
    score: Times

    def __post_init__(self) -> None:
        columns = (self.video, self.label, self.start, self.end, self.score)
        if len({column.shape for column in columns}) != 1 or self.video.ndim != 1:
            raise UserError(
                "expected columns of one length, got shapes "
                f"{', '.join(str(column.shape) for column in columns)}"
            )
        if not (self.end > self.start).all() or np.isnan(self.score).any():
            raise UserError(
                "expected events that end after they start, with scores that are numbers"
            )

    def __len__(self) -> int:
        return len(self.video)

    @classmethod
    def of(cls, mask_NTC: Mask, value_NTC: NDArray[Any] | None = None) -> EventTable:
        """The runs of a mask; the score of each is the mean of its values, or 1.

        Example:
            >>> table = EventTable.of(np.array([[[True], [True], [False]]]))
            >>> table.start.tolist(), table.end.tolist()
            ([0.0], [2.0])
        """
        runs, num_classes = Runs.of(mask_NTC), mask_NTC.shape[-1]
        return cls(
            video=runs.column // num_classes,
            label=runs.column % num_classes,
            start=runs.start.astype(np.float64),
            end=runs.stop.astype(np.float64),
            score=np.ones(len(runs.first)) if value_NTC is None else runs.mean(value_NTC),
        )

    def order(self, *columns: NDArray[Any]) -> Ids:
        """Where to find the events sorted by columns, the first one first, then by time."""
        return np.lexsort((self.end, self.start, *reversed(columns)))


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Matches:
    """Which predictions are right at each threshold, from which average precision follows.

    Attributes:
        predicted: the predictions.
        is_right_KP: True for those that take a truth.
        truth_NC: how many events each video truly has.
    """

    predicted: EventTable
    is_right_KP: Mask
    truth_NC: Ids


def match_detections(
    predicted: EventTable,
    truth: EventTable,
    num_videos: int,
    num_classes: int,
    *,
    tiou: tuple[float, ...] = TIOU,
) -> Matches:
    """Give every truth to at most one prediction, the surest first, at each threshold.

    A prediction takes, of the free truths of its video and class, the one that it overlaps most, if
    that reaches the threshold. Where scores are equal, the earlier event comes first.

    Args:
        predicted: with scores.
        truth: what is annotated.
        num_videos: N.
        num_classes: C.
        tiou: the K thresholds of intersection over union.

    Raises:
        UserError: if a threshold is outside (0, 1].
    """
    if not all(0 < threshold <= 1 for threshold in tiou):
        raise UserError(f"expected thresholds of tIoU in (0, 1], got {tiou}")
    group_P = predicted.video * num_classes + predicted.label
    order_P = predicted.order(group_P, -predicted.score)
    starts = np.searchsorted(group_P[order_P], group_P[order_P])
    turn_P = np.empty(len(predicted), np.int64)
    turn_P[order_P] = np.arange(len(predicted)) - starts
    mine, theirs = _pairs(predicted, truth, num_classes)
    shared = _overlap(predicted, truth, mine, theirs)
    length = (predicted.end - predicted.start)[mine] + (truth.end - truth.start)[theirs]
    overlap = shared / (length - shared)
    # For each turn the predictions whose turn it is, each with its truths, best overlap first.
    by_turn = np.lexsort((truth.start[theirs], -overlap, mine, turn_P[mine]))
    mine, theirs, overlap = mine[by_turn], theirs[by_turn], overlap[by_turn]
    reaches_KX = overlap >= np.array(tiou)[:, None]
    is_right_KP = np.zeros((len(tiou), len(predicted)), bool)
    is_taken_KE = np.zeros((len(tiou), len(truth)), bool)
    turns = turn_P[mine]
    for first, stop in _blocks(turns):
        pairs = slice(first, stop)
        possible_KX = reaches_KX[:, pairs] & ~is_taken_KE[:, theirs[pairs]]
        for_one = np.flatnonzero(np.diff(mine[pairs], prepend=-1))
        place_KX = np.where(possible_KX, np.arange(stop - first), stop - first)
        best_KP = np.minimum.reduceat(place_KX, for_one, axis=1)
        level, which = np.nonzero(best_KP < stop - first)
        chosen = first + best_KP[level, which]
        is_right_KP[level, mine[chosen]] = True
        is_taken_KE[level, theirs[chosen]] = True
    truth_NC = np.zeros((num_videos, num_classes), np.int64)
    np.add.at(truth_NC, (truth.video, truth.label), 1)
    return Matches(predicted=predicted, is_right_KP=is_right_KP, truth_NC=truth_NC)


def average_precision(matches: Matches, weight_RN: NDArray[Any] | None = None) -> Times:
    """The area under the precision of every recall, made monotone, in per cent.

    All predictions of one score count at once, so that the order in which they are listed has no
    effect. (The evaluator of ActivityNet and UnAV takes them one by one in the reverse order of
    listing; without equal scores the two agree.)

    Args:
        matches: of `match_detections`.
        weight_RN: how often each video counts, for `bootstrap`; None counts each once.

    Returns:
        (R, K, C), NaN for classes that are never true; (K, C) without weights.

    Source: Caba Heilbron et al., "ActivityNet", CVPR 2015, with the interpolation of VOC 2011.
    """
    is_right_KP, predicted = matches.is_right_KP, matches.predicted
    num_videos, num_classes = matches.truth_NC.shape
    weights = np.ones((1, num_videos)) if weight_RN is None else np.asarray(weight_RN, np.float64)
    total_RC = weights @ matches.truth_NC
    value_RKC = np.full((len(weights), len(is_right_KP), num_classes), np.nan)
    order = predicted.order(predicted.label, -predicted.score)
    label, score = predicted.label[order], predicted.score[order]
    bounds = np.searchsorted(label, np.arange(num_classes + 1))
    for c in np.flatnonzero(matches.truth_NC.any(axis=0)):
        rows = order[bounds[c] : bounds[c + 1]]
        of_class = score[bounds[c] : bounds[c + 1]]
        right = np.flatnonzero(is_right_KP[:, rows].any(axis=0))
        # Precision only rises where something right is listed: the other places need no look.
        stops, firsts = np.unique(
            np.searchsorted(-of_class, -of_class[right], side="right"), return_index=True
        )
        if not len(right):
            value_RKC[..., c] = 0
            continue
        weight_RP = weights[:, predicted.video[rows[: stops[-1]]]]
        listed_RU = np.add.reduceat(weight_RP, [0, *stops[:-1]], axis=1).cumsum(axis=1)
        right_RKQ = weight_RP[:, None, right] * is_right_KP[:, rows[right]]
        gain_RKU = np.add.reduceat(right_RKQ, firsts, axis=2)
        precision = gain_RKU.cumsum(axis=2) / np.maximum(listed_RU, 1)[:, None]
        precision = np.maximum.accumulate(precision[..., ::-1], axis=2)[..., ::-1]
        area_RK = (gain_RKU * precision).sum(axis=2)
        value_RKC[..., c] = 100 * ratio(area_RK, total_RC[:, c, None])
    return value_RKC if weight_RN is not None else value_RKC[0]


def mean_average_precision(value_KC: Times) -> Times:
    """The mean over classes that are true somewhere, (..., K); NaN if none is."""
    return mean_of_known(value_KC)


def collar_counts(
    predicted: EventTable,
    truth: EventTable,
    num_videos: int,
    num_classes: int,
    *,
    collar: float = 0.2,
    share: float = 0.2,
) -> Ids:
    """Count events whose onset and offset are right, (N, C, 3).

    An onset may be off by the collar, an offset by the collar or a share of the true length, if
    that is more. As many pairs are made as possible. On a grid of one second an onset is right or
    off by a second at least: the measure is for comparison with systems that are finer.

    Args:
        predicted: events of all videos; scores do not count.
        truth: the annotated ones.
        num_videos: N.
        num_classes: C.
        collar: seconds.
        share: of the length of the true event.

    Source: Mesaros, Heittola and Virtanen, "Metrics for Polyphonic Sound Event Detection", 2016.
    """
    mine, theirs = _near(predicted, truth, num_classes, collar, share)
    taken = maximum_matching(mine, theirs)
    return _event_counts(predicted, truth, taken, (num_videos, num_classes))


def collar_errors(
    predicted: EventTable,
    truth: EventTable,
    num_classes: int,
    *,
    collar: float = 0.2,
    share: float = 0.2,
) -> Ids:
    """Substitutions, deletions, insertions and true events, (4,), of which the error rate is made.

    A substitution is a wrong class at a right time; it is sought among what has no match.

    Args:
        predicted: events of all videos; scores do not count.
        truth: the annotated ones.
        num_classes: C.
        collar: seconds, as in `collar_counts`.
        share: of the length of the true event.
    """
    mine, theirs = _near(predicted, truth, num_classes, collar, share)
    taken = maximum_matching(mine, theirs)
    left_P = np.setdiff1d(np.arange(len(predicted)), taken[:, 0])
    left_E = np.setdiff1d(np.arange(len(truth)), taken[:, 1])
    rest, missed = _rows(predicted, left_P), _rows(truth, left_E)
    swapped = maximum_matching(*_near(rest, missed, None, collar, share))
    return np.array(
        [
            len(swapped),
            len(missed) - len(swapped),
            len(rest) - len(swapped),
            len(truth),
        ]
    )


def segment_errors(predicted_NTC: Mask, truth_NTC: Mask) -> Ids:
    """Substitutions, deletions, insertions and true cells of every video, (N, 4).

    In a segment, a false positive and a false negative of whatever classes are one substitution.

    Example:
        >>> truth_NTC = np.array([[[True, False], [True, False]]])
        >>> segment_errors(truth_NTC[..., ::-1], truth_NTC).tolist()
        [[2, 0, 0, 2]]
    """
    false_NT = np.count_nonzero(predicted_NTC & ~truth_NTC, axis=-1)
    missed_NT = np.count_nonzero(truth_NTC & ~predicted_NTC, axis=-1)
    swapped_NT = np.minimum(false_NT, missed_NT)
    parts = (swapped_NT, missed_NT - swapped_NT, false_NT - swapped_NT)
    sums = [part.sum(axis=1) for part in parts]
    return np.stack([*sums, np.count_nonzero(truth_NTC, axis=(1, 2))], axis=-1)


def error_rate(error_4: Ids) -> Times:
    """(S + D + I) / true, from sums (..., 4), which may be above 1; NaN where nothing is true."""
    return ratio(error_4[..., :3].sum(axis=-1), error_4[..., 3])


def intersection_counts(
    predicted: EventTable,
    truth: EventTable,
    num_videos: int,
    num_classes: int,
    *,
    detection: float = 0.5,
    truth_share: float = 0.5,
) -> Ids:
    """Count events that cover each other, (N, C, 3), whether they are split or merged or not.

    A prediction is false unless truths of its class cover a share of it. A truth is found if
    predictions that are not false cover a share of it.

    Args:
        predicted: events of all videos; scores do not count.
        truth: the annotated ones.
        num_videos: N.
        num_classes: C.
        detection: share of a prediction that truths cover at least (detection tolerance).
        truth_share: share of a truth that predictions cover at least (ground truth intersection).

    Source: Bilen et al., "A Framework for the Robust Evaluation of Sound Event Detection", 2020.
    """
    mine, theirs = _pairs(predicted, truth, num_classes)
    shared = _overlap(predicted, truth, mine, theirs)
    covered_P = np.bincount(mine, shared, minlength=len(predicted))
    is_right_P = covered_P >= detection * (predicted.end - predicted.start)
    counted = is_right_P[mine]
    covered_E = np.bincount(theirs[counted], shared[counted], minlength=len(truth))
    is_found_E = (covered_E > 0) & (covered_E >= truth_share * (truth.end - truth.start))
    count_NC3 = np.zeros((num_videos, num_classes, 3), np.int64)
    np.add.at(count_NC3, (truth.video, truth.label, np.where(is_found_E, 0, 2)), 1)
    false = ~is_right_P
    np.add.at(count_NC3[..., 1], (predicted.video[false], predicted.label[false]), 1)
    return count_NC3


def maximum_matching(mine: Ids, theirs: Ids) -> Ids:
    """As many disjoint pairs as possible of those allowed, (pairs, 2).

    Source: Kuhn's augmenting paths. Events on one grid have one partner at most, and cost nothing.

    Example:
        >>> maximum_matching(np.array([0, 0, 1]), np.array([0, 1, 0])).tolist()
        [[0, 1], [1, 0]]
    """
    partners: dict[int, list[int]] = {}
    for one, other in zip(mine.tolist(), theirs.tolist(), strict=True):
        partners.setdefault(one, []).append(other)
    taken_by: dict[int, int] = {}

    def find(one: int, tried: set[int]) -> bool:
        for other in partners[one]:
            if other not in tried:
                tried.add(other)
                if other not in taken_by or find(taken_by[other], tried):
                    taken_by[other] = one
                    return True
        return False

    for one in partners:
        find(one, set())
    pairs = sorted((one, other) for other, one in taken_by.items())
    return np.array(pairs, np.int64).reshape(-1, 2)


def _pairs(predicted: EventTable, truth: EventTable, num_classes: int | None) -> tuple[Ids, Ids]:
    """Every prediction with every truth of its video and class; of its video alone for None."""

    def group(table: EventTable) -> Ids:
        return table.video if num_classes is None else table.video * num_classes + table.label

    group_E = group(truth)
    order_E = truth.order(group_E)
    first, stop = (
        np.searchsorted(group_E[order_E], group(predicted), side=side) for side in ("left", "right")
    )
    count = stop - first
    mine = np.repeat(np.arange(len(predicted)), count)
    place = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    return mine, order_E[np.repeat(first, count) + place]


def _overlap(predicted: EventTable, truth: EventTable, mine: Ids, theirs: Ids) -> Times:
    """Seconds that each pair shares."""
    end = np.minimum(predicted.end[mine], truth.end[theirs])
    shared: Times = np.maximum(end - np.maximum(predicted.start[mine], truth.start[theirs]), 0)
    return shared


def _near(
    predicted: EventTable, truth: EventTable, num_classes: int | None, collar: float, share: float
) -> tuple[Ids, Ids]:
    """The pairs whose onsets and offsets are close enough."""
    mine, theirs = _pairs(predicted, truth, num_classes)
    onset = np.abs(predicted.start[mine] - truth.start[theirs])
    offset = np.abs(predicted.end[mine] - truth.end[theirs])
    allowed = np.maximum(collar, share * (truth.end - truth.start)[theirs])
    near = (onset <= collar) & (offset <= allowed)
    return mine[near], theirs[near]


def _event_counts(
    predicted: EventTable, truth: EventTable, taken: Ids, shape_NC: tuple[int, int]
) -> Ids:
    count_NC3 = np.zeros((*shape_NC, 3), np.int64)
    right = taken[:, 0]
    np.add.at(count_NC3[..., 1], (predicted.video, predicted.label), 1)
    np.add.at(count_NC3[..., 2], (truth.video, truth.label), 1)
    for column, change in ((0, 1), (1, -1), (2, -1)):
        np.add.at(count_NC3[..., column], (predicted.video[right], predicted.label[right]), change)
    return count_NC3


def _rows(table: EventTable, rows: Ids) -> EventTable:
    return EventTable(
        video=table.video[rows],
        label=table.label[rows],
        start=table.start[rows],
        end=table.end[rows],
        score=table.score[rows],
    )


def _blocks(values: Ids) -> list[tuple[int, int]]:
    """First and stop of every block of equal values."""
    if not len(values):
        return []
    edges = np.flatnonzero(np.diff(values)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True))

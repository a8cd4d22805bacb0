"""The measures of neighbouring fields of one modality, put together, and one of them: PSDS.

The polyphonic sound detection score says, over all thresholds, how many events are found at how
many alarms. It is exact, from the probabilities themselves. In a video the events change only at
its own scores, so that each video is decided once per distinct score, and sums over videos follow
by sorting; no grid of thresholds has to be fine enough.

False alarms are counted per hour, up to 100. So the score says something where an alarm is much
less than that: in an hour of videos or more. In one clip of ten seconds a single alarm is 360 per
hour, and the score is 0 or 1 by chance.

Source: Bilen et al., "A Framework for the Robust Evaluation of Sound Event Detection", ICASSP 2020;
Ebbers et al., "Threshold Independent Evaluation of Sound Event Detection Scores", ICASSP 2022.

Axes: N videos, T segments of one second, C classes, X operating points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, Runs
from mmpyramid.problems.counts import macro_f, micro_f, ratio, segment_counts
from mmpyramid.problems.detection import (
    EventTable,
    average_precision,
    collar_counts,
    collar_errors,
    error_rate,
    intersection_counts,
    match_detections,
    mean_average_precision,
    segment_errors,
)

FEWEST_HOURS = 1.0
"""Below, an alarm per hour is too few videos to count; see above."""

Rates = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PSDSSettings:
    """What counts as found, as false, and how much each costs.

    Attributes:
        detection: share of a found event that truth of its class must cover, or it is false.
        truth: share of a true event that must be found.
        cross_trigger: share of a false event that truth of another class must cover to be
            confused with it.
        cross_weight: what confusions cost, beside false alarms.
        spread_weight: what differences between classes cost.
        most_alarms: false alarms per hour up to which counts.
    """

    detection: float
    truth: float
    cross_trigger: float = 0.3
    cross_weight: float = 0.0
    spread_weight: float = 1.0
    most_alarms: float = 100.0


PSDS1 = PSDSSettings(detection=0.7, truth=0.7)
"""When events happen: scenario 1 of DCASE's task 4."""
PSDS2 = PSDSSettings(detection=0.1, truth=0.1, cross_weight=0.5)
"""Which events happen: scenario 2."""


def psds(
    score_NTC: NDArray[Any],
    truth_NTC: Mask,
    settings: PSDSSettings = PSDS1,
    *,
    mask_NT: Mask | None = None,
) -> float:
    """The score, within 0..1; NaN where nothing is true.

    Args:
        score_NTC: within 0..1; a segment is on from a threshold above 0 on.
        truth_NTC: what is annotated. Classes that are never true are left out.
        settings: which scenario.
        mask_NT: True where a segment exists; without it all do. They make the hours.

    Raises:
        UserError: if shapes disagree, or there are no segments.

    Example:
        >>> truth_NTC = np.zeros((1, 3600, 1), bool)
        >>> truth_NTC[0, 2:9] = True
        >>> psds(0.9 * truth_NTC, truth_NTC)
        1.0
    """
    exists_NT = np.ones(score_NTC.shape[:2], bool) if mask_NT is None else mask_NT.astype(bool)
    if score_NTC.shape != truth_NTC.shape or exists_NT.shape != score_NTC.shape[:2]:
        raise UserError(
            f"expected scores and truth of one shape (N, T, C), got {score_NTC.shape} and "
            f"{truth_NTC.shape}, with a mask of {exists_NT.shape}"
        )
    hours = exists_NT.sum() / 3600
    if not hours:
        raise UserError("expected segments to score, got none")
    truth_NTC = truth_NTC & exists_NT[..., None]
    occurs_C = truth_NTC.any(axis=(0, 1))
    if not occurs_C.any():
        return float("nan")
    score_NTC, truth_NTC = (
        (score_NTC * exists_NT[..., None])[..., occurs_C],
        truth_NTC[..., occurs_C],
    )
    points = _operating_points(score_NTC, truth_NTC, settings, float(hours))
    return _area(*points, settings)


def _operating_points(
    score_NTC: NDArray[Any], truth_NTC: Mask, settings: PSDSSettings, hours: float
) -> tuple[list[Rates], list[Rates]]:
    """Effective false alarms per hour, and the share of events found, of every class."""
    num_classes = score_NTC.shape[-1]
    thresholds, steps = [], []
    previous: NDArray[np.int64] | int = 0
    rank_NTC, score_of_rank = _ranks(score_NTC)
    for rank, at_NC in enumerate(score_of_rank):
        count_NCK = _counts((rank_NTC <= rank) & (score_NTC > 0), truth_NTC, settings)
        thresholds.append(at_NC)
        steps.append(count_NCK - previous)
        previous = count_NCK
    at_XC = np.concatenate(thresholds)
    step_XCK = np.concatenate(steps)
    num_true_C = np.bincount(Runs.of(truth_NTC).column % num_classes, minlength=num_classes)
    true_hours_C = truth_NTC.sum(axis=(0, 1)) / 3600
    alarms, shares = [], []
    for c in range(num_classes):
        order = np.argsort(-at_XC[:, c], kind="stable")
        ends = np.flatnonzero(np.diff(at_XC[order, c], append=np.nan))
        sums_XK = step_XCK[order, c].cumsum(axis=0)[ends]
        confused_X = ratio(sums_XK[:, 2:], true_hours_C).sum(axis=1) / max(num_classes - 1, 1)
        alarms.append(sums_XK[:, 1] / hours + settings.cross_weight * confused_X)
        shares.append(sums_XK[:, 0] / num_true_C[c])
    return alarms, shares


def _ranks(score_NTC: NDArray[Any]) -> tuple[NDArray[np.int64], list[Rates]]:
    """Each segment's rank among the distinct scores of its video and class, and these scores."""
    order_NTC = np.argsort(-score_NTC, axis=1, kind="stable")
    sorted_NTC = np.take_along_axis(score_NTC, order_NTC, axis=1)
    is_new = np.diff(sorted_NTC, axis=1, prepend=sorted_NTC[:, :1]) != 0
    rank_sorted = is_new.cumsum(axis=1)
    rank_NTC = np.empty_like(rank_sorted)
    np.put_along_axis(rank_NTC, order_NTC, rank_sorted, axis=1)
    score_of_rank = [
        np.where(rank_NTC >= rank, score_NTC, 0).max(axis=1)
        for rank in range(int(rank_NTC.max(initial=0)) + 1)
    ]
    return rank_NTC, score_of_rank


def _counts(mask_NTC: Mask, truth_NTC: Mask, settings: PSDSSettings) -> NDArray[np.int64]:
    """(N, C, 2 + C): true events found, false alarms, and those confused with each other class."""
    N, T, C = mask_NTC.shape
    events, true = Runs.of(mask_NTC), Runs.of(truth_NTC)
    covered = _seconds_within(truth_NTC, events)
    is_right = covered >= settings.detection * events.length
    counted_NTC = events.where(is_right).paint(mask_NTC.shape)
    found = _seconds_within(counted_NTC, true)
    is_found = (found > 0) & (found >= settings.truth * true.length)
    count = np.zeros((N * C, 2 + C), np.int64)
    np.add.at(count[:, 0], true.column[is_found], 1)
    false = events.where(~is_right)
    np.add.at(count[:, 1], false.column, 1)
    if settings.cross_weight:
        video, own = false.column // C, false.column % C
        for other in range(C):
            columns = (video * C + other) * (T + 1) + false.start
            shared = _seconds_between(truth_NTC, columns, false.length)
            is_confused = (shared >= settings.cross_trigger * false.length) & (own != other)
            np.add.at(count[:, 2 + other], false.column[is_confused], 1)
    return count.reshape(N, C, 2 + C)


def _seconds_within(mask_NTC: Mask, runs: Runs) -> NDArray[np.int64]:
    """How many segments of each run are on in a mask."""
    return _seconds_between(mask_NTC, runs.first, runs.length)


def _seconds_between(
    mask_NTC: Mask, first: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.int64]:
    cells = np.pad(mask_NTC.swapaxes(1, 2), ((0, 0), (0, 0), (0, 1))).ravel()
    sums = np.concatenate([[0], cells.cumsum()])
    seconds: NDArray[np.int64] = sums[first + length] - sums[first]
    return seconds


def _area(alarms: list[Rates], shares: list[Rates], settings: PSDSSettings) -> float:
    """The area under the effective share of events found, up to the most alarms."""
    every = np.unique(np.concatenate([[0.0], *alarms]))
    every = every[every < settings.most_alarms]
    curves = []
    for alarm, share in zip(alarms, shares, strict=True):
        order = np.argsort(alarm, kind="stable")
        best = np.maximum.accumulate(np.concatenate([[0.0], share[order]]))
        curves.append(best[np.searchsorted(alarm[order], every, side="right")])
    share_CX = np.stack(curves)
    effective = share_CX.mean(axis=0) - settings.spread_weight * share_CX.std(axis=0)
    widths = np.diff(every, append=settings.most_alarms)
    return float((np.maximum(effective, 0) * widths).sum() / settings.most_alarms)


EXTENSION = (
    "PSDS is defined for sounds; of visual and audio-visual events it is an extension of ours. An "
    "event has to be met by whole seconds, so that PSDS1 asks for events of up to 3 s exactly."
)
TOO_SHORT = (
    f"PSDS counts alarms per hour, and needs {FEWEST_HOURS:.0f} h of videos or more: in less, a "
    "single alarm decides."
)

Measures: TypeAlias = dict[str, Any]
"""Per cent, but for error rates (1 is as many errors as true events) and PSDS (0..1)."""


def event_measures(
    score_NTC: NDArray[Any], predicted_NTC: Mask, truth_NTC: Mask, mask_NT: Mask | None = None
) -> Measures:
    """Average precision, segment-, collar- and intersection-based F, error rates and PSDS.

    Average precision ranks the events that were decided, by their mean score: `events_per_video`
    says how many, since more events rank higher, and detectors of other fields keep a hundred.

    Args:
        score_NTC: within 0..1.
        predicted_NTC: what was decided, off where no segment is.
        truth_NTC: what is annotated, off where no segment is.
        mask_NT: True where a segment exists; without it all do.

    Returns:
        Numbers by name; `mAP` by threshold. None where a number is undefined, and for PSDS in
        splits of less than an hour.
    """
    N, T, C = truth_NTC.shape
    exists_NT = np.ones((N, T), bool) if mask_NT is None else mask_NT
    found, true = EventTable.of(predicted_NTC, score_NTC), EventTable.of(truth_NTC)
    map_K = mean_average_precision(average_precision(match_detections(found, true, N, C)))
    segment_C3 = segment_counts(predicted_NTC, truth_NTC).sum(axis=0)
    collar_C3 = collar_counts(found, true, N, C).sum(axis=0)
    share_C3 = intersection_counts(found, true, N, C).sum(axis=0)
    is_long = exists_NT.sum() / 3600 >= FEWEST_HOURS
    numbers = {
        "mAP_mean": map_K.mean(),
        "events_per_video": len(found) / N,
        "segment_micro_F": micro_f(segment_C3),
        "segment_macro_F": macro_f(segment_C3),
        "segment_error_rate": error_rate(segment_errors(predicted_NTC, truth_NTC).sum(axis=0)),
        "collar_micro_F": micro_f(collar_C3),
        "collar_macro_F": macro_f(collar_C3),
        "collar_error_rate": error_rate(collar_errors(found, true, C)),
        "intersection_macro_F": macro_f(share_C3),
        **{
            name: psds(score_NTC, truth_NTC, scenario, mask_NT=exists_NT) if is_long else np.nan
            for name, scenario in (("PSDS1", PSDS1), ("PSDS2", PSDS2))
        },
    }
    levels = (f"{tenths / 10:.1f}" for tenths in range(1, 10))
    return {
        "mAP": {level: to_number(value) for level, value in zip(levels, map_K, strict=True)},
        **{name: to_number(value) for name, value in numbers.items()},
    }


def to_number(value: Any) -> float | None:
    """A float, or None for NaN, which JSON lacks."""
    return None if np.isnan(value) else float(value)

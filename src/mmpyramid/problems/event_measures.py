"""The measures of neighbouring fields of one modality, put together.

Axes: N videos, T segments of one second, C classes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.runs import Mask
from mmpyramid.problems.counts import macro_f, micro_f
from mmpyramid.problems.detection import (
    EventTable,
    average_precision,
    collar_counts,
    collar_errors,
    error_rate,
    intersection_counts,
    match_detections,
    mean_average_precision,
    segment_counts,
    segment_errors,
)
from mmpyramid.problems.psds import FEWEST_HOURS, PSDS1, PSDS2, psds

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
    """A float, or None for NaN, which JSON has not."""
    return None if np.isnan(value) else float(value)

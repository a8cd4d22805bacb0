"""What a study says, as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmpyramid.problems.base import text_table
from mmpyramid.problems.counts import f_scores
from mmpyramid.problems.event_measures import EXTENSION, TOO_SHORT
from mmpyramid.problems.parsing.breakdown import MODALITIES, STATES, group_name, length_scores
from mmpyramid.problems.parsing.exclusive import ExclusiveReport
from mmpyramid.problems.parsing.metrics import LEVELS, ParsingReport
from mmpyramid.problems.parsing.study import Study
from mmpyramid.problems.resampling import PairedTest

COLUMN_NAMES = ("Audio", "Visual", "AV", "Type@AV", "Event@AV")
WIDTH = 11


def interval_table(report: ParsingReport, ends_2L5: NDArray[np.float64] | None, title: str) -> str:
    """The ten numbers, each level above the ends of its 95 % intervals."""
    rows = [("", _cells(COLUMN_NAMES))]
    for place, level in enumerate(LEVELS):
        rows.append((level, _numbers(report.to_dict()[level].values())))
        if ends_2L5 is not None:
            rows.append(("  from", _numbers(ends_2L5[0, place])))
            rows.append(("  to", _numbers(ends_2L5[1, place])))
    return text_table(title, rows)


def difference_table(test: PairedTest, title: str) -> str:
    """How one system differs from another: difference, 95 % interval and p of each number.

    Below stands what p is, and which number to name if only one is named.
    """
    names = [f"{level} {name}" for level in LEVELS for name in COLUMN_NAMES]
    columns = (test.difference, test.low, test.high, test.p, test.p_holm)
    rows = [("", _cells(("difference", "from", "to", "p", "p (Holm)")))]
    for name, difference, low, high, p, raised in zip(names, *columns, strict=True):
        cells = (f"{difference:+.2f}", f"{low:+.2f}", f"{high:+.2f}", f"{p:.4f}", f"{raised:.4f}")
        rows.append((name, _cells(cells)))
    return (
        f"{text_table(title, rows)}\n"
        f"the first minus the second on the same {test.num_videos} videos; p: exchanging the two "
        "in each video by chance makes as much; Holm: for ten numbers at once. If one number is to "
        "be named beforehand, take event Type@AV."
    )


def exclusive_table(found: ExclusiveReport) -> str:
    """Audible-only and visible-only scores above their floor."""
    rows = [("", _cells(("Audible", "Visible", "AV", "Type", "Event")))]
    for level in LEVELS:
        rows.append((level, _numbers(found.all.to_dict()[level].values())))
        rows.append(("  nothing", _numbers(found.nothing.to_dict()[level].values())))
    for place, level in enumerate(LEVELS):
        both = [None if each is None else each[place] for each in (found.audible, found.visible)]
        rows.append((f"{level}, where any", _numbers(both)))
    return text_table(
        "heard and not seen, seen and not heard; `nothing` is what an empty prediction gets; the "
        f"last rows are over the {found.num_audible} and {found.num_visible} videos that have such "
        "events",
        rows,
    )


def class_table(study: Study) -> str:
    """F of every class, the most frequent first, pooled over the corpus."""
    f_LMC = f_scores(study.class_counts.sum(axis=0))
    headings = [name for _ in LEVELS for name in COLUMN_NAMES[:3]]
    over = "".join(f"{level:>{3 * WIDTH}}" for level in LEVELS)
    rows = [("", over), ("", _cells(headings))]
    rows += [(study.labels[c], _numbers(f_LMC[:, :, c].ravel())) for c in study.classes]
    return text_table("by class, F pooled over the corpus, per cent", rows)


def length_table(study: Study) -> str:
    """Recall, precision and F of events by their length."""
    counts_MG4 = study.length_counts.sum(axis=0)
    rows = [("", _cells(("true", "predicted", "recall", "precision", "F")))]
    for stream, name in enumerate(COLUMN_NAMES[:3]):
        for g, group in enumerate(study.groups):
            count_4 = counts_MG4[stream, g]
            counted = f"{count_4[0]:>{WIDTH}}{count_4[2]:>{WIDTH}}"
            rows.append((f"{name} {group_name(group)}", counted + _numbers(length_scores(count_4))))
    title = "by length of events; recall of true ones, precision of predicted ones, per cent"
    return text_table(title, rows)


def confusion_table(study: Study) -> str:
    """In how many segments each true state of a class was predicted as each."""
    width = max(map(len, STATES)) + 2
    rows = [("true, predicted:", "".join(f"{state:>{width}}" for state in STATES))]
    for state, row in zip(STATES, study.confusion.tolist(), strict=True):
        cells = [
            "-" if state == STATES[0] and place == 0 else str(n) for place, n in enumerate(row)
        ]
        rows.append((state, "".join(f"{cell:>{width}}" for cell in cells)))
    return text_table("modalities, segments of all classes", rows)


DETECTION_ROWS = {
    "mAP_mean": "mAP, mean of tIoU 0.1 to 0.9",
    "events_per_video": "  events per video that it ranks",
    "segment_micro_F": "segment F, micro",
    "segment_macro_F": "segment F, macro",
    "segment_error_rate": "segment error rate",
    "intersection_macro_F": "intersection F 0.5, macro",
    "collar_micro_F": "collar F 200 ms, micro",
    "collar_macro_F": "collar F 200 ms, macro",
    "collar_error_rate": "collar error rate",
    "PSDS1": "PSDS1 (when)",
    "PSDS2": "PSDS2 (which)",
}


def detection_table(study: Study) -> str:
    """The measures of neighbouring fields, pooled over the corpus."""
    found = study.detection
    rows = [("", _cells(COLUMN_NAMES[:3]))]
    first = next(iter(found.values()))
    rows += [
        (f"mAP at tIoU {tiou}", _numbers(found[name]["mAP"][tiou] for name in MODALITIES))
        for tiou in first["mAP"]
    ]
    rows += [
        (text, _numbers(found[name][key] for name in MODALITIES))
        for key, text in DETECTION_ROWS.items()
    ]
    note = TOO_SHORT if first["PSDS1"] is None else EXTENSION
    title = "as detections, pooled over the corpus; per cent, but for error rates and PSDS"
    return f"{text_table(title, rows)}\n{note}"


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"{text:>{WIDTH}}" for text in texts)


def _numbers(values: Iterable[float | None]) -> str:
    """Two decimals, and `-` where there is no number."""
    known = (math.nan if value is None else value for value in values)
    return _cells(["-" if math.isnan(value) else f"{value:.2f}" for value in known])

"""Anybody's detections of dense events: read from a file, scored, with intervals and a paired test.

The file is that of ActivityNet, which evaluators of temporal action localization write and read:
`{"results": {"VIDEO": [{"segment": [1.5, 4.0], "label": "dog barking", "score": 0.9}]}}`.

Axes: R resamples, N videos, K thresholds, C classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import write_durably
from mmpyramid.core.text import read_json, shorten
from mmpyramid.core.wording import text_cells, text_table
from mmpyramid.problems.detection import (
    TIOU,
    EventTable,
    Matches,
    average_precision,
    match_detections,
    mean_average_precision,
)
from mmpyramid.problems.event_measures import to_number
from mmpyramid.problems.resampling import RESAMPLES, PairedTest, bootstrap, holm, swap_videos

if TYPE_CHECKING:
    from mmpyramid.datasets import Dataset

LARGEST_RESULTS = 2**30
"""Bytes of a file; a hundred detections in each test video of UnAV-100 take 20 MB."""
MEASURES = (*(f"mAP@{tiou:.1f}" for tiou in TIOU), "mAP")
"""At each threshold of `TIOU`, and their mean."""


class Detection(msgspec.Struct):
    """An event in the file; times in seconds."""

    segment: tuple[float, float]
    label: str
    score: float


class ResultsFile(msgspec.Struct):
    """The file; what else it has is ignored."""

    results: dict[str, tuple[Detection, ...]]


def read_detections(path: Path, dataset: Dataset) -> EventTable:
    """Read detections of a split; a video that is not in the file has none.

    Args:
        path: the file.
        dataset: the split, whose ids and labels the file uses.

    Raises:
        UserError: if the file is missing or of another form; one report of all videos and labels
            that the split lacks, of events that do not end after they start, and of scores that
            are no numbers.
    """
    if len(dataset.ids) != len(dataset):
        raise UserError(
            f"expected a split whose videos are annotated as a whole, got {dataset.describe()}"
        )
    results = read_json(path, ResultsFile, "a file of detections", LARGEST_RESULTS).results
    every = (dataset.names, dataset.ids)
    video_of = {name: row for names in every for row, name in enumerate(names)}
    label_of = {label: column for column, label in enumerate(dataset.labels)}
    problems = Problems()
    rows: list[tuple[float, ...]] = []
    for name, detections in results.items():
        if name not in video_of:
            problems.add("videos that are not in the split", repr(shorten(name)))
        for found in detections:
            start, end = found.segment
            if found.label not in label_of:
                problems.add("labels that the annotations lack", repr(shorten(found.label)))
            if not -math.inf < start < end < math.inf:
                times = f"{start:g}..{end:g} s in {shorten(name)}"
                problems.add("events that do not end after they start", times)
            if not math.isfinite(found.score):
                problems.add("scores that are not numbers", f"{found.score} in {shorten(name)}")
            video, label = video_of.get(name, -1), label_of.get(found.label, -1)
            rows.append((video, label, start, end, found.score))
    problems.raise_if_any(
        f"expected detections of this split in {path}",
        "Use the ids and the labels of the annotations, and seconds.",
    )
    return table_of(rows)


def write_detections(path: Path, predicted: EventTable, dataset: Dataset) -> None:
    """Write `DETECTIONS.json` as a whole, with its folder; `read_detections` reads it.

    Raises:
        UserError: if the disk is full.
    """
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in dataset.ids}
    columns = (predicted.video, predicted.label, predicted.start, predicted.end, predicted.score)
    for video, label, start, end, score in zip(*(c.tolist() for c in columns), strict=True):
        found = {"segment": [start, end], "label": dataset.labels[label], "score": score}
        results[dataset.ids[video]].append(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, json.dumps({"results": results}).encode(), outlast_power_cuts=False)


def table_of(rows: Sequence[Sequence[float]]) -> EventTable:
    """Events (video, label, start, end, score) as columns."""
    video, label, start, end, score = np.array(rows, np.float64).reshape(-1, 5).T
    return EventTable(
        video=video.astype(np.int64),
        label=label.astype(np.int64),
        start=start,
        end=end,
        score=score,
    )


@dataclass(frozen=True, kw_only=True)
class DetectionReport:
    """Mean average precision in per cent.

    Attributes:
        by_tiou: at each threshold of `TIOU`.
    """

    by_tiou: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the thresholds."""
        return float(np.mean(self.by_tiou))

    def to_dict(self) -> dict[str, Any]:
        """By threshold, and the mean."""
        return dict(zip(MEASURES, (*self.by_tiou, self.mean), strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionStudy:
    """The detections of one system beside the truth, matched.

    Attributes:
        matches: which detections are right at each threshold of `TIOU`.
        labels: the C class names.

    Example:
        >>> predicted = table_of([(0, 0, 1.0, 3.0, 0.9), (1, 0, 0.0, 4.0, 0.8)])
        >>> truth = table_of([(0, 0, 1.0, 3.0, 1.0), (1, 0, 0.0, 2.0, 1.0)])
        >>> matches = match_detections(predicted, truth, num_videos=2, num_classes=1)
        >>> study = DetectionStudy(matches=matches, labels=("Dog",))
        >>> study.report.by_tiou[0], study.report.by_tiou[-1]
        (100.0, 50.0)
    """

    matches: Matches
    labels: tuple[str, ...]

    @classmethod
    def of(cls, predicted: EventTable, dataset: Dataset) -> DetectionStudy:
        """Match the detections of a split with its events."""
        truth = table_of([(*event, 1.0) for event in dataset.events])
        matches = match_detections(predicted, truth, len(dataset), len(dataset.labels))
        return cls(matches=matches, labels=dataset.labels)

    @cached_property
    def average_precision(self) -> NDArray[np.float64]:
        """(K, C) in per cent; NaN for classes that never occur."""
        return average_precision(self.matches)

    @property
    def report(self) -> DetectionReport:
        """The mean over classes."""
        return DetectionReport(
            by_tiou=tuple(mean_average_precision(self.average_precision).tolist())
        )

    def intervals(self, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
        """95 % intervals of `MEASURES` over videos, (2, K + 1): the lower ends, the upper ends.

        Raises:
            UserError: if there are fewer than two videos.
        """
        num_videos = len(self.matches.truth_NC)
        return bootstrap(self._measures, num_videos, resamples=resamples, seed=seed)

    def against(
        self, other: DetectionStudy, resamples: int = RESAMPLES, seed: int = 0
    ) -> PairedTest:
        """How this differs from another system on the same videos, in `MEASURES`.

        The interval is by bootstrap over videos. The test exchanges the detections of the two in
        videos at random.

        Raises:
            UserError: if there are fewer than two videos.
        """
        num_videos = len(self.matches.truth_NC)
        both = DetectionStudy(matches=_stacked(self.matches, other.matches), labels=self.labels)

        def difference(weight_RN: NDArray[Any]) -> NDArray[np.float64]:
            return self._measures(weight_RN) - other._measures(weight_RN)

        def difference_of_mixtures(
            mine_RN: NDArray[Any], theirs_RN: NDArray[Any]
        ) -> NDArray[np.float64]:
            first = both._measures(np.concatenate((mine_RN, theirs_RN), axis=1))
            return first - both._measures(np.concatenate((theirs_RN, mine_RN), axis=1))

        low, high = bootstrap(difference, num_videos, resamples=resamples, seed=seed)
        p = swap_videos(difference_of_mixtures, num_videos, resamples=resamples, seed=seed)
        return PairedTest(
            difference=difference(np.ones((1, num_videos)))[0],
            low=low,
            high=high,
            p=p,
            p_holm=holm(p),
            num_videos=num_videos,
        )

    def _measures(self, weight_RN: NDArray[Any]) -> NDArray[np.float64]:
        """(R, K + 1) of videos that count so often."""
        by_tiou_RK = mean_average_precision(average_precision(self.matches, weight_RN))
        return np.concatenate((by_tiou_RK, by_tiou_RK.mean(axis=1, keepdims=True)), axis=1)

    def to_dict(self) -> dict[str, Any]:
        """All numbers but intervals, unrounded; None for classes that never occur."""
        named = zip(self.labels, self.average_precision.T, strict=True)
        classes = {
            label: dict(zip(MEASURES[:-1], map(to_number, values_K), strict=True))
            for label, values_K in named
        }
        return {**self.report.to_dict(), "classes": classes}


def _stacked(first: Matches, second: Matches) -> Matches:
    """Two systems on N videos as one on 2 N, so that weights choose whose videos count."""
    num_videos = len(first.truth_NC)
    tables = (first.predicted, second.predicted)
    together = {
        name: np.concatenate([getattr(table, name) for table in tables])
        for name in ("label", "start", "end", "score")
    }
    video = np.concatenate((tables[0].video, tables[1].video + num_videos))
    return Matches(
        predicted=EventTable(video=video, **together),
        is_right_KP=np.concatenate((first.is_right_KP, second.is_right_KP), axis=1),
        truth_NC=np.concatenate((first.truth_NC, second.truth_NC)),
    )


def precision_table(
    reports: Mapping[str, DetectionReport],
    title: str,
    ends: Mapping[str, NDArray[np.float64]] | None = None,
) -> str:
    """Mean average precision of several systems, each above the ends of its intervals, if known."""
    rows = [("mAP at tIoU", _cells([f"{tiou:.1f}" for tiou in TIOU] + ["mean"]))]
    for name, report in reports.items():
        rows.append((name, _cells((*report.by_tiou, report.mean))))
        for end, values in zip(("  from", "  to"), (ends or {}).get(name, ()), strict=False):
            rows.append((end, _cells(values)))
    return text_table(title, rows)


def class_precision_table(study: DetectionStudy, title: str) -> str:
    """Average precision of every class that occurs, the most frequent first."""
    count_C = study.matches.truth_NC.sum(axis=0)
    rows = [("", _cells([f"{tiou:.1f}" for tiou in TIOU] + ["events"]))]
    for c in sorted(np.flatnonzero(count_C).tolist(), key=lambda c: -count_C[c]):
        cells = _cells([*study.average_precision[:, c], str(count_C[c])])
        rows.append((study.labels[c], cells))
    return text_table(title, rows)


def precision_difference_table(test: PairedTest, title: str) -> str:
    """How one system differs from another: difference, 95 % interval and p of each measure."""
    rows = [("", _cells(("first", "from", "to", "p", "p (Holm)"), 10))]
    columns = (test.difference, test.low, test.high, test.p, test.p_holm)
    for name, difference, low, high, p, raised in zip(MEASURES, *columns, strict=True):
        texts = (f"{difference:+.2f}", f"{low:+.2f}", f"{high:+.2f}", f"{p:.4f}", f"{raised:.4f}")
        rows.append((name, _cells(texts, 10)))
    return (
        f"{text_table(title, rows)}\n"
        f"the first minus the second on the same {test.num_videos} videos; p: exchanging the "
        "detections of the two in videos by chance makes as much; Holm: for ten numbers at once."
    )


def _cells(values: Iterable[str | float | None], width: int = 7) -> str:
    return text_cells(values, width)

"""Everything that the predictions of a split say about their system, counted once, and as text.

`ParsingReport` has the ten official numbers. A study adds how sure they are, what is heard only and
seen only, where the system is good, and the measures of neighbouring fields.

Axes: N videos, T segments of one second, C classes, M (audio, visual, audio-visual), L (segment,
event), G groups of lengths, K thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Gate
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask
from mmpyramid.core.wording import text_cells, text_table
from mmpyramid.problems.counts import f_scores, ratio, segment_counts
from mmpyramid.problems.event_measures import (
    EXTENSION,
    TOO_SHORT,
    Measures,
    event_measures,
    to_number,
)
from mmpyramid.problems.parsing.breakdown import (
    MODALITIES,
    STATES,
    Decisions,
    ExclusiveReport,
    class_counts,
    classes_by_support,
    exclusive_report,
    group_name,
    length_counts,
    length_groups,
    length_scores,
    modality_confusion,
)
from mmpyramid.problems.parsing.decisions import Threshold
from mmpyramid.problems.parsing.metrics import (
    COLUMNS,
    LEVELS,
    ParsingReport,
    parsing_f_scores,
    report_from_means,
    with_type_av,
)
from mmpyramid.problems.parsing.predictions import Predictions
from mmpyramid.problems.resampling import (
    RESAMPLES,
    PairedTest,
    bootstrap,
    mean_intervals,
    paired_test,
)

THRESHOLDS = tuple(np.round(np.arange(0.05, 1, 0.05), 2).tolist())
"""Of the curves."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """What each threshold of segments gives, the gate being open or not as decided.

    Attributes:
        thresholds: the K thresholds.
        type_av: (K, L) Type@AV, per cent.
        precision: (K, M) of segments, pooled, per cent; NaN where nothing is predicted.
        recall: (K, M) of segments, pooled, per cent.
    """

    thresholds: tuple[float, ...]
    type_av: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """The predictions of one system beside the truth, decided.

    Attributes:
        predictions: the probabilities.
        truth: what is heard and what is seen, (N, T, C) each.
        labels: the C class names.
        gate: what decides that a video has a class.
        threshold: of segments.
        video_threshold: of videos.

    Raises:
        UserError: if there are no videos, shapes disagree or a setting is wrong.
    """

    predictions: Predictions
    truth: tuple[Mask, Mask]
    labels: tuple[str, ...]
    gate: Gate = "global"
    threshold: Threshold = 0.5
    video_threshold: Threshold = 0.5

    def __post_init__(self) -> None:
        if not len(self.truth[0]):
            raise UserError("expected at least one video to evaluate, got none")
        _ = self.f_per_video

    def decide(self, threshold: Threshold) -> Decisions:
        """What is predicted and true at a threshold of segments."""
        masks = self.predictions.masks(
            gate=self.gate, threshold=threshold, video_threshold=self.video_threshold
        )
        return Decisions.of(masks, self.truth, self.predictions.mask)

    @cached_property
    def decisions(self) -> Decisions:
        """What is predicted and true."""
        return self.decide(self.threshold)

    @cached_property
    def f_per_video(self) -> NDArray[np.float64]:
        """What each video scores, per cent, (N, 2, 5): `LEVELS`, `COLUMNS`."""
        return with_type_av(self._f_raw)

    @cached_property
    def _f_raw(self) -> NDArray[np.float64]:
        found, true = self.decisions.predicted, self.decisions.truth
        return parsing_f_scores(found[0], found[1], true[0], true[1])

    @property
    def report(self) -> ParsingReport:
        """The ten official numbers."""
        return report_from_means(self._f_raw.mean(axis=0))

    @cached_property
    def exclusive(self) -> ExclusiveReport:
        """Audible-only and visible-only scores."""
        found, true = self.decisions.predicted, self.decisions.truth
        return exclusive_report(found[0], found[1], true[0], true[1])

    @cached_property
    def class_counts(self) -> NDArray[np.int64]:
        """(N, L, M, C, 3)."""
        return class_counts(self.decisions)

    @cached_property
    def length_counts(self) -> NDArray[np.int64]:
        """(N, M, G, 4)."""
        return length_counts(self.decisions)

    @property
    def groups(self) -> list[tuple[int, int]]:
        """The groups of lengths in seconds."""
        return length_groups(self.truth[0].shape[1])

    @property
    def classes(self) -> list[int]:
        """Classes that occur, the most frequent first."""
        return classes_by_support(self.class_counts, self.labels)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(4, 4) of `STATES`, truth by prediction."""
        return modality_confusion(self.decisions)

    @cached_property
    def curves(self) -> Curves:
        """What other thresholds would give."""
        type_av, counts = [], []
        for threshold in THRESHOLDS:
            decisions = self.decide(threshold)
            (audio, visual, _), (true_audio, true_visual, _) = decisions.predicted, decisions.truth
            f_24 = parsing_f_scores(audio, visual, true_audio, true_visual).mean(axis=0)
            type_av.append(100 * f_24[:, :3].mean(axis=1))
            pooled = [segment_counts(*pair) for pair in decisions.pairs]
            counts.append([count_NC3.sum(axis=(0, 1)) for count_NC3 in pooled])
        count_KM3 = np.array(counts)
        right = count_KM3[..., 0]
        return Curves(
            thresholds=THRESHOLDS,
            type_av=np.array(type_av),
            precision=100 * ratio(right, right + count_KM3[..., 1]),
            recall=100 * ratio(right, right + count_KM3[..., 2]),
        )

    def intervals(self, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
        """95 % intervals of the ten numbers over videos, (2, L, 5): the lower ends, the upper ends.

        Raises:
            UserError: if there are fewer than two videos.
        """
        return mean_intervals(self.f_per_video, resamples=resamples, seed=seed)

    def class_intervals(self, resamples: int, seed: int = 0) -> NDArray[np.float64]:
        """95 % intervals of the pooled F of classes, (2, L, M, C)."""
        count_NX = self.class_counts.reshape(len(self.f_per_video), -1).astype(np.float64)
        shape = self.class_counts.shape[1:]
        return bootstrap(
            lambda weight_RN: f_scores((weight_RN @ count_NX).reshape(len(weight_RN), *shape)),
            len(count_NX),
            resamples=resamples,
            seed=seed,
        )

    def length_intervals(self, resamples: int, seed: int = 0) -> NDArray[np.float64]:
        """95 % intervals of recall, precision and F by length, (2, M, G, 3)."""
        count_NX = self.length_counts.reshape(len(self.f_per_video), -1).astype(np.float64)
        shape = self.length_counts.shape[1:]
        return bootstrap(
            lambda weight_RN: length_scores((weight_RN @ count_NX).reshape(-1, *shape)),
            len(count_NX),
            resamples=resamples,
            seed=seed,
        )

    def against(self, other: Study, resamples: int = RESAMPLES, seed: int = 0) -> PairedTest:
        """How this differs from another system on the same videos, in the ten numbers.

        Raises:
            UserError: if the videos are others, or fewer than two.
        """
        if self.predictions.ids != other.predictions.ids:
            raise UserError("expected two systems on the same videos in the same order")
        N = len(self.f_per_video)
        return paired_test(
            self.f_per_video.reshape(N, -1),
            other.f_per_video.reshape(N, -1),
            resamples=resamples,
            seed=seed,
        )

    @cached_property
    def detection(self) -> dict[str, Measures]:
        """The measures of neighbouring fields for each modality; see `event_measures`."""
        mask_NT = self.predictions.mask
        return {
            modality: event_measures(self._scores(stream), *pair, mask_NT)
            for stream, (modality, pair) in enumerate(
                zip(MODALITIES, self.decisions.pairs, strict=True)
            )
        }

    def _scores(self, stream: int) -> NDArray[Any]:
        """(N, T, C) probabilities of a modality, 0 where the gate is closed."""
        opened = self.decide(0.0).predicted
        audio = self.predictions.audio * opened[0]
        visual = self.predictions.visual * opened[1]
        return (audio, visual, audio * visual)[stream]

    def to_dict(self) -> dict[str, Any]:
        """All numbers but intervals, unrounded, as JSON has them; None where one is undefined."""
        count_LMC3 = self.class_counts.sum(axis=0)
        f_LMC, length_MG3 = f_scores(count_LMC3), length_scores(self.length_counts.sum(axis=0))
        events_MG4 = self.length_counts.sum(axis=0)
        return {
            **self.report.to_dict(),
            "only": self.exclusive.to_dict(),
            "classes": {
                self.labels[c]: {
                    level: {
                        name: {
                            "F": to_number(f_LMC[row, stream, c]),
                            "true_positive_false_positive_false_negative": count_LMC3[
                                row, stream, c
                            ].tolist(),
                        }
                        for stream, name in enumerate(MODALITIES)
                    }
                    for row, level in enumerate(LEVELS)
                }
                for c in self.classes
            },
            "lengths": {
                name: {
                    group_name(group): {
                        "true": int(events_MG4[stream, g, 0]),
                        "predicted": int(events_MG4[stream, g, 2]),
                        **{
                            key: to_number(value)
                            for key, value in zip(
                                ("recall", "precision", "F"), length_MG3[stream, g], strict=True
                            )
                        },
                    }
                    for g, group in enumerate(self.groups)
                }
                for stream, name in enumerate(MODALITIES)
            },
            "modalities": {
                STATES[row]: dict(zip(STATES, self.confusion[row].tolist(), strict=True))
                for row in range(len(STATES))
            },
            "detection": self.detection,
        }


def interval_dict(ends_2L5: NDArray[np.float64]) -> dict[str, dict[str, list[float]]]:
    """Intervals by level and column, as JSON has them."""
    return {
        level: {column: ends_2L5[:, row, place].tolist() for place, column in enumerate(COLUMNS)}
        for row, level in enumerate(LEVELS)
    }


def difference_dict(test: PairedTest) -> dict[str, dict[str, dict[str, float]]]:
    """A test of the ten numbers by level and column, as JSON has it."""
    rows = iter(test.rows())
    return {level: {column: next(rows) for column in COLUMNS} for level in LEVELS}


COLUMN_NAMES = ("Audio", "Visual", "AV", "Type@AV", "Event@AV")
WIDTH = 11


def interval_table(report: ParsingReport, ends_2L5: NDArray[np.float64] | None, title: str) -> str:
    """The ten numbers, each level above the ends of its 95 % intervals."""
    rows = [("", _cells(COLUMN_NAMES))]
    for place, level in enumerate(LEVELS):
        rows.append((level, _cells(report.to_dict()[level].values())))
        if ends_2L5 is not None:
            rows.append(("  from", _cells(ends_2L5[0, place])))
            rows.append(("  to", _cells(ends_2L5[1, place])))
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
        rows.append((level, _cells(found.all.to_dict()[level].values())))
        rows.append(("  nothing", _cells(found.nothing.to_dict()[level].values())))
    for place, level in enumerate(LEVELS):
        both = [None if each is None else each[place] for each in (found.audible, found.visible)]
        rows.append((f"{level}, where any", _cells(both)))
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
    rows += [(study.labels[c], _cells(f_LMC[:, :, c].ravel())) for c in study.classes]
    return text_table("by class, F pooled over the corpus, per cent", rows)


def length_table(study: Study) -> str:
    """Recall, precision and F of events by their length."""
    counts_MG4 = study.length_counts.sum(axis=0)
    rows = [("", _cells(("true", "predicted", "recall", "precision", "F")))]
    for stream, name in enumerate(COLUMN_NAMES[:3]):
        for g, group in enumerate(study.groups):
            count_4 = counts_MG4[stream, g]
            values = (str(count_4[0]), str(count_4[2]), *length_scores(count_4))
            rows.append((f"{name} {group_name(group)}", _cells(values)))
    title = "by length of events; recall of true ones, precision of predicted ones, per cent"
    return text_table(title, rows)


def confusion_table(study: Study) -> str:
    """In how many segments each true state of a class was predicted as each."""
    width = max(map(len, STATES)) + 2
    rows = [("true, predicted:", text_cells(STATES, width))]
    for state, row in zip(STATES, study.confusion.tolist(), strict=True):
        cells = [
            "-" if state == STATES[0] and place == 0 else str(n) for place, n in enumerate(row)
        ]
        rows.append((state, text_cells(cells, width)))
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
        (f"mAP at tIoU {tiou}", _cells(found[name]["mAP"][tiou] for name in MODALITIES))
        for tiou in first["mAP"]
    ]
    rows += [
        (text, _cells(found[name][key] for name in MODALITIES))
        for key, text in DETECTION_ROWS.items()
    ]
    note = TOO_SHORT if first["PSDS1"] is None else EXTENSION
    title = "as detections, pooled over the corpus; per cent, but for error rates and PSDS"
    return f"{text_table(title, rows)}\n{note}"


def _cells(values: Iterable[str | float | None]) -> str:
    return text_cells(values, WIDTH)

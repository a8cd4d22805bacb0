"""Audio-visual video parsing scored as its authors do, vectorized over videos.

Masks become counts (`segment_counts`, `event_counts`), counts become F-scores of videos, and their
average is the report. `mmpyramid.problems.parsing.decisions` makes the masks.

Axes: N videos, T segments of one second, C classes.

The rules are those of Tian et al., "Unified Multisensory Perception: Weakly-Supervised Audio-Visual
Video Parsing", ECCV 2020, and of the evaluator released with it, which every later paper on LLP
uses. Its peculiarities are kept, since published numbers contain them:

- F is averaged over the classes of a video that are present or predicted, then over videos. A rare
  class weighs as much as the videos that it occurs in; counts are never pooled over the corpus.
- A video with nothing true and nothing predicted scores 1.
- An event is a maximal run of segments of one class. It matches if some event of the other side
  reaches the intersection over union; several may match one. That cannot happen from 0.5 upwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, Runs
from mmpyramid.problems.base import text_cells, text_table
from mmpyramid.problems.counts import segment_counts as count_segments

LEVELS = ("segment", "event")
MEASURES = ("audio", "visual", "audio_visual", "event_av")
"""What is averaged over videos; Type@AV follows from the first three."""
COLUMNS = ("audio", "visual", "audio_visual", "type_av", "event_av")
"""The five numbers of a level."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelScores:
    """F-scores in per cent, unrounded, of one level: segments or events.

    Attributes:
        audio: F of what can be heard.
        visual: F of what can be seen.
        audio_visual: F of what is heard and seen in the same segment.
        type_av: Type@AV, the mean of the three above.
        event_av: Event@AV, F with the counts of the audio and the visual stream pooled by class.
    """

    audio: float
    visual: float
    audio_visual: float
    type_av: float
    event_av: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsingReport:
    """The ten numbers of audio-visual video parsing (LLP).

    Attributes:
        segment: scores where every segment of one second counts.
        event: scores where every event, a maximal run of segments, counts.

    Example:
        >>> perfect = LevelScores(
        ...     audio=100.0, visual=100.0, audio_visual=100.0, type_av=100.0, event_av=100.0
        ... )
        >>> print(ParsingReport(segment=perfect, event=perfect))
                    Audio    Visual        AV   Type@AV  Event@AV
        segment    100.00    100.00    100.00    100.00    100.00
        event      100.00    100.00    100.00    100.00    100.00
    """

    segment: LevelScores
    event: LevelScores

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The metrics JSON: level, then column, in per cent and unrounded."""
        return asdict(self)

    @classmethod
    def from_dict(cls, scores: Mapping[str, Mapping[str, float]]) -> ParsingReport:
        """The report that `to_dict` was called on."""
        return cls(segment=LevelScores(**scores["segment"]), event=LevelScores(**scores["event"]))

    def table(self, title: str = "") -> str:
        """A text table with one line per level, rounded to two decimals."""
        rows = [("segment", _cells(self.segment)), ("event", _cells(self.event))]
        return text_table(title, [("", _HEADINGS), *rows])

    def __str__(self) -> str:
        return self.table()


@dataclass(frozen=True, eq=False, slots=True)
class Counts:
    """True positives, false positives and false negatives of each video and class, (N, C) int64."""

    true_positive_NC: NDArray[np.int64]
    false_positive_NC: NDArray[np.int64]
    false_negative_NC: NDArray[np.int64]

    @property
    def stacked(self) -> NDArray[np.int64]:
        """The three, (N, C, 3)."""
        parts = (self.true_positive_NC, self.false_positive_NC, self.false_negative_NC)
        return np.stack(parts, axis=-1)

    def __add__(self, other: Counts) -> Counts:
        """Pool the counts of two streams."""
        return Counts(
            self.true_positive_NC + other.true_positive_NC,
            self.false_positive_NC + other.false_positive_NC,
            self.false_negative_NC + other.false_negative_NC,
        )


def segment_counts(predicted_NTC: Mask, truth_NTC: Mask) -> Counts:
    """Count segments.

    Args:
        predicted_NTC: the segments predicted.
        truth_NTC: the segments annotated.
    """
    return Counts(*np.moveaxis(count_segments(predicted_NTC, truth_NTC), -1, 0))


@dataclass(frozen=True, eq=False, slots=True)
class EventMatch:
    """The events of both sides, and which of them an event of the other side matches.

    Attributes:
        predicted: the runs of the prediction.
        predicted_hit: True for those that are right.
        truth: the runs of the truth.
        truth_hit: True for those that are found.
    """

    predicted: Runs
    predicted_hit: Mask
    truth: Runs
    truth_hit: Mask


def match_events(predicted_NTC: Mask, truth_NTC: Mask, iou_threshold: float = 0.5) -> EventMatch:
    """Match events, maximal runs of segments of one class, by intersection over union.

    Args:
        predicted_NTC: the segments predicted.
        truth_NTC: the segments annotated.
        iou_threshold: in (0, 1]; the benchmark uses 0.5.

    Raises:
        UserError: if the threshold is outside (0, 1].
    """
    if not 0 < iou_threshold <= 1:
        raise UserError(f"expected an IoU threshold in (0, 1], got {iou_threshold}")
    predicted, truth = Runs.of(predicted_NTC), Runs.of(truth_NTC)
    # Two overlapping runs share exactly one run of cells, so the runs of the intersection list
    # every overlapping pair once, with its intersection as length.
    shared = Runs.of(predicted_NTC & truth_NTC)
    predicted_of = np.searchsorted(predicted.first, shared.first, side="right") - 1
    truth_of = np.searchsorted(truth.first, shared.first, side="right") - 1
    union = predicted.length[predicted_of] + truth.length[truth_of] - shared.length
    match = shared.length >= iou_threshold * union
    predicted_hit = np.zeros(len(predicted.first), dtype=bool)
    predicted_hit[predicted_of[match]] = True
    truth_hit = np.zeros(len(truth.first), dtype=bool)
    truth_hit[truth_of[match]] = True
    return EventMatch(predicted, predicted_hit, truth, truth_hit)


def event_counts(predicted_NTC: Mask, truth_NTC: Mask, iou_threshold: float = 0.5) -> Counts:
    """Count events: maximal runs of segments of one class.

    A predicted event is a true positive if its intersection over union with any annotated event
    reaches the threshold, else a false positive. An annotated event that no predicted one reaches
    is a false negative. Below a threshold of 0.5 several may match one, as in the released code.

    Args:
        predicted_NTC: the segments predicted.
        truth_NTC: the segments annotated.
        iou_threshold: in (0, 1]; the benchmark uses 0.5.

    Raises:
        UserError: if the threshold is outside (0, 1].
    """
    N, _, C = predicted_NTC.shape
    found = match_events(predicted_NTC, truth_NTC, iou_threshold)

    def per_class(runs: Runs) -> NDArray[np.int64]:
        return np.bincount(runs.column, minlength=N * C).reshape(N, C)

    return Counts(
        per_class(found.predicted.where(found.predicted_hit)),
        per_class(found.predicted.where(~found.predicted_hit)),
        per_class(found.truth.where(~found.truth_hit)),
    )


def video_f_scores(counts: Counts) -> NDArray[np.float64]:
    """F-score of each video, (N,) within 0..1: the mean over its present or predicted classes.

    F = 2 TP / (2 TP + FP + FN). A video without such a class scores 1.
    """
    doubled_NC = 2 * counts.true_positive_NC
    total_NC = doubled_NC + counts.false_positive_NC + counts.false_negative_NC
    f_NC = doubled_NC / np.maximum(total_NC, 1)
    num_classes_N = np.count_nonzero(total_NC, axis=1)
    return np.where(num_classes_N > 0, f_NC.sum(axis=1) / np.maximum(num_classes_N, 1), 1.0)


def parsing_f_scores(
    predicted_audio: Mask,
    predicted_visual: Mask,
    truth_audio: Mask,
    truth_visual: Mask,
    *,
    mask_NT: Mask | None = None,
    iou_threshold: float = 0.5,
) -> NDArray[np.float64]:
    """F-scores of every video at both levels.

    Videos of different lengths are padded to one T. Padding that is zero on both sides changes no
    score; `mask_NT` makes it zero.

    Args:
        predicted_audio: (N, T, C) what is predicted to be heard, bool or 0 and 1.
        predicted_visual: (N, T, C) what is predicted to be seen.
        truth_audio: (N, T, C) what is heard.
        truth_visual: (N, T, C) what is seen.
        mask_NT: True where a segment exists, bool or 0 and 1; without it all do.
        iou_threshold: overlap that makes two events one, in (0, 1].

    Returns:
        (N, 2, 4) within 0..1, axes (video, `LEVELS`, `MEASURES`).

    Raises:
        UserError: if shapes disagree, values other than 0 and 1 occur or the threshold is wrong.
    """
    streams = (predicted_audio, predicted_visual, truth_audio, truth_visual)
    audio, visual, true_audio, true_visual = checked_masks(streams, mask_NT)
    both, true_both = audio & visual, true_audio & true_visual

    def level(of_audio: Counts, of_visual: Counts, of_both: Counts) -> NDArray[np.float64]:
        counts = (of_audio, of_visual, of_both, of_audio + of_visual)
        return np.stack([video_f_scores(each) for each in counts], axis=-1)

    segment = level(
        segment_counts(audio, true_audio),
        segment_counts(visual, true_visual),
        segment_counts(both, true_both),
    )
    event = level(
        event_counts(audio, true_audio, iou_threshold),
        event_counts(visual, true_visual, iou_threshold),
        event_counts(both, true_both, iou_threshold),
    )
    return np.stack([segment, event], axis=1)


def checked_masks(streams: Sequence[Mask], mask_NT: Mask | None) -> list[Mask]:
    """Predicted and true masks (N, T, C) as bool, off where no segment is.

    Raises:
        UserError: if shapes disagree, or values other than 0 and 1 occur.
    """
    shapes = [stream.shape for stream in streams]
    if len(set(shapes)) != 1 or len(shapes[0]) != 3:
        raise UserError(
            "expected predictions and truth of one shape (N, T, C), got "
            f"{shapes[0]} and {shapes[1]} predicted, {shapes[2]} and {shapes[3]} true"
        )
    if mask_NT is not None and mask_NT.shape != shapes[0][:2]:
        raise UserError(f"expected a mask of shape {shapes[0][:2]}, got {mask_NT.shape}")
    masks = [
        _to_bool(stream, "turn probabilities into masks with `llp_masks` first")
        for stream in streams
    ]
    if mask_NT is None:
        return masks
    exists_NT = _to_bool(mask_NT, "`mask_NT` is True where a segment exists")
    return [mask & exists_NT[..., None] for mask in masks]


def _to_bool(mask: Mask, advice: str) -> Mask:
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise UserError(
            f"expected masks of False and True (or 0 and 1), got other values; {advice}"
        )
    return mask.astype(bool, copy=False)


def parsing_report(
    predicted_audio: Mask,
    predicted_visual: Mask,
    truth_audio: Mask,
    truth_visual: Mask,
    *,
    mask_NT: Mask | None = None,
    iou_threshold: float = 0.5,
) -> ParsingReport:
    """The ten numbers of a data set; arguments and errors as `parsing_f_scores`.

    Raises:
        UserError: also if there is no video.

    Example:
        >>> truth_NTC = np.array([[[1], [1], [0], [0]]])
        >>> guess_NTC = np.array([[[1], [0], [0], [0]]])
        >>> report = parsing_report(guess_NTC, truth_NTC, truth_NTC, truth_NTC)
        >>> round(report.segment.audio, 2), report.event.audio
        (66.67, 100.0)
    """
    f_N24 = parsing_f_scores(
        predicted_audio,
        predicted_visual,
        truth_audio,
        truth_visual,
        mask_NT=mask_NT,
        iou_threshold=iou_threshold,
    )
    if len(f_N24) == 0:
        raise UserError("expected at least one video to evaluate, got none")
    return report_from_means(f_N24.mean(axis=0))


def report_from_means(f_24: NDArray[np.float64]) -> ParsingReport:
    """Write means over videos as a report in per cent.

    Args:
        f_24: (2, 4) within 0..1, axes (`LEVELS`, `MEASURES`).
    """

    def level(row: NDArray[np.float64]) -> LevelScores:
        audio, visual, audio_visual, event_av = (100 * row).tolist()
        return LevelScores(
            audio=audio,
            visual=visual,
            audio_visual=audio_visual,
            type_av=(audio + visual + audio_visual) / 3,
            event_av=event_av,
        )

    return ParsingReport(segment=level(f_24[0]), event=level(f_24[1]))


def with_type_av(f_N24: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each video scores in the five numbers of a level.

    The report is the mean of this over videos, so that intervals and tests can draw its rows.

    Args:
        f_N24: as `parsing_f_scores` gives it.

    Returns:
        (N, 2, 5) per cent, axes (video, `LEVELS`, `COLUMNS`).
    """
    type_N21 = f_N24[..., :3].mean(axis=-1, keepdims=True)
    return 100 * np.concatenate([f_N24[..., :3], type_N21, f_N24[..., 3:]], axis=-1)


def comparison_table(reports: Mapping[str, ParsingReport], title: str = "") -> str:
    """Several reports side by side: the segment level of all, then the event level of all.

    Args:
        reports: the reports by the name of what was evaluated.
        title: a line above the table.

    Returns:
        Aligned text, rounded to two decimals; names of up to 30 letters fit 80 columns.
    """
    segment = [(name, _cells(report.segment)) for name, report in reports.items()]
    event = [(name, _cells(report.event)) for name, report in reports.items()]
    blank = ("", "")
    headed = [("segment level", _HEADINGS), *segment, blank, ("event level", _HEADINGS), *event]
    return text_table(title, headed)


def _cells(scores: LevelScores) -> str:
    return text_cells(astuple(scores), _WIDTH)


_WIDTH = 10
_HEADINGS = text_cells(("Audio", "Visual", "AV", "Type@AV", "Event@AV"), _WIDTH)

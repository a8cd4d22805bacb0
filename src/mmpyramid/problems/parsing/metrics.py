"""Audio-visual video parsing scored as its authors do, vectorized over videos.

Masks become counts (`problems.counts`), counts become F-scores of videos, and their average is the
report. `mmpyramid.problems.parsing.decisions` makes the masks.

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
from mmpyramid.core.runs import Mask
from mmpyramid.core.wording import text_cells, text_table
from mmpyramid.problems.counts import Counts, event_counts, segment_counts, video_f_scores

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

    def level(audio_NC3: Counts, visual_NC3: Counts, both_NC3: Counts) -> NDArray[np.float64]:
        counts = (audio_NC3, visual_NC3, both_NC3, audio_NC3 + visual_NC3)
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

"""Audible-only and visible-only F-scores: of what is heard and not seen, and the reverse.

Source: Sardari et al., "CoLeaF: A Contrastive-Collaborative Learning Framework for Weakly
Supervised Audio-Visual Video Parsing", ECCV 2024, as its released code computes them: in every
segment an event is audible-only where it is heard and not seen, in the truth and in the prediction
each; then LLP's F-scores are taken of these masks. Audio-visual F stays as it is, and Type@AV and
Event@AV are made of the three new columns.

A video without such an event, true or predicted, scores 1 as always in LLP. In the test split of
LLP that is 38 % of the videos for audible-only and 66 % for visible-only events, so that predicting
nothing already scores as much. Numbers are therefore given beside that floor, and over the videos
that have such events.

Axes: N videos, T segments of one second, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.runs import Mask
from mmpyramid.problems.parsing.metrics import (
    ParsingReport,
    checked_masks,
    parsing_f_scores,
    report_from_means,
)


@dataclass(frozen=True, kw_only=True)
class ExclusiveReport:
    """Audible-only and visible-only scores, per cent.

    Attributes:
        all: over all videos, as published; `audio` is audible-only, `visual` visible-only.
        nothing: what an empty prediction scores, which is what two equal streams score, too.
        audible: (segment, event) F of audible-only events over the videos that have such; None if
            none has.
        visible: the same of visible-only events.
        num_audible: how many videos have audible-only events.
        num_visible: the same of visible-only ones.
    """

    all: ParsingReport
    nothing: ParsingReport
    audible: tuple[float, float] | None
    visible: tuple[float, float] | None
    num_audible: int
    num_visible: int

    def to_dict(self) -> dict[str, object]:
        """The numbers by name, unrounded."""
        return {
            "all": self.all.to_dict(),
            "nothing": self.nothing.to_dict(),
            "audible_only": {"videos": self.num_audible, "segment_event": self.audible},
            "visible_only": {"videos": self.num_visible, "segment_event": self.visible},
        }


def exclusive_f_scores(
    predicted_audio: Mask,
    predicted_visual: Mask,
    truth_audio: Mask,
    truth_visual: Mask,
    *,
    mask_NT: Mask | None = None,
    iou_threshold: float = 0.5,
) -> NDArray[np.float64]:
    """Audible-only, visible-only and audio-visual F of every video, as `parsing_f_scores`.

    Returns:
        (N, 2, 4) within 0..1, axes (video, level, (audible-only, visible-only, audio-visual, both
        of the first pooled)).

    Raises:
        UserError: as `parsing_f_scores`.

    Example:
        >>> heard_NTC, seen_NTC = np.array([[[1], [1], [0]]]), np.array([[[0], [1], [0]]])
        >>> exclusive_f_scores(heard_NTC, heard_NTC, heard_NTC, seen_NTC)[0, 0, :3].tolist()
        [0.0, 1.0, 0.6666666666666666]
    """
    streams = (predicted_audio, predicted_visual, truth_audio, truth_visual)
    audio, visual, true_audio, true_visual = checked_masks(streams, mask_NT)
    only = (audio & ~visual, visual & ~audio, true_audio & ~true_visual, true_visual & ~true_audio)
    f_N24 = parsing_f_scores(*only, iou_threshold=iou_threshold)
    standard_N24 = parsing_f_scores(
        audio, visual, true_audio, true_visual, iou_threshold=iou_threshold
    )
    f_N24[..., 2] = standard_N24[..., 2]
    return f_N24


def exclusive_report(
    predicted_audio: Mask,
    predicted_visual: Mask,
    truth_audio: Mask,
    truth_visual: Mask,
    *,
    mask_NT: Mask | None = None,
) -> ExclusiveReport:
    """The means over videos, with what they have to be compared with.

    Raises:
        UserError: as `parsing_f_scores`.
    """
    truth = (truth_audio, truth_visual)
    streams = (predicted_audio, predicted_visual, *truth)
    audio, visual, true_audio, true_visual = checked_masks(streams, mask_NT)
    f_N24 = exclusive_f_scores(audio, visual, true_audio, true_visual)
    empty = np.zeros_like(audio)
    nothing_N24 = exclusive_f_scores(empty, empty, true_audio, true_visual)
    has_N2 = np.stack(
        [
            (true_audio & ~true_visual).any(axis=(1, 2)),
            (true_visual & ~true_audio).any(axis=(1, 2)),
        ],
        axis=1,
    )

    def over(stream: int) -> tuple[float, float] | None:
        rows = f_N24[has_N2[:, stream], :, stream]
        if not len(rows):
            return None
        segment, event = (100 * rows.mean(axis=0)).tolist()
        return segment, event

    return ExclusiveReport(
        all=report_from_means(f_N24.mean(axis=0)),
        nothing=report_from_means(nothing_N24.mean(axis=0)),
        audible=over(0),
        visible=over(1),
        num_audible=int(has_N2[:, 0].sum()),
        num_visible=int(has_N2[:, 1].sum()),
    )

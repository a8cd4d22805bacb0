"""Where a system is good and where not: by class, length, modality, threshold, and what is both.

Everything is counts per video, which add up to the tables and which `bootstrap` can weight. Counts
are pooled over the corpus here, unlike in the official numbers.

Audible-only and visible-only F-scores are of what is heard and not seen, and the reverse. Source:
Sardari et al., "CoLeaF: A Contrastive-Collaborative Learning Framework for Weakly Supervised
Audio-Visual Video Parsing", ECCV 2024, as its released code computes them: in every segment an
event is audible-only where it is heard and not seen, in the truth and in the prediction each; then
LLP's F-scores are taken of these masks. Audio-visual F stays as it is, and Type@AV and Event@AV are
made of the three new columns. A video without such an event, true or predicted, scores 1 as always
in LLP. In the test split of LLP that is 38 % of the videos for audible-only and 66 % for
visible-only events, so that predicting nothing already scores as much. Numbers are therefore given
beside that floor, and over the videos that have such events.

Axes: N videos, T segments of one second, C classes, M (audio, visual, audio-visual), L (segment,
event), G groups of lengths; 3 is (true positives, false positives, false negatives).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.runs import Mask, Runs
from mmpyramid.problems.counts import event_counts, match_events, ratio, segment_counts
from mmpyramid.problems.parsing.metrics import (
    ParsingReport,
    checked_masks,
    parsing_f_scores,
    report_from_means,
)

MODALITIES = ("audio", "visual", "audio_visual")
STATES = ("neither", "heard only", "seen only", "heard and seen")
Ids = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Decisions:
    """What is predicted and what is true, for each of `MODALITIES`, (N, T, C) each."""

    predicted: tuple[Mask, Mask, Mask]
    truth: tuple[Mask, Mask, Mask]

    @classmethod
    def of(
        cls, predicted: tuple[Mask, Mask], truth: tuple[Mask, Mask], mask_NT: Mask | None = None
    ) -> Decisions:
        """Decisions in the segments that exist; each pair is (audio, visual)."""
        exists = True if mask_NT is None else mask_NT.astype(bool)[..., None]
        audio, visual, true_audio, true_visual = (each & exists for each in (*predicted, *truth))
        return cls(
            predicted=(audio, visual, audio & visual),
            truth=(true_audio, true_visual, true_audio & true_visual),
        )

    @property
    def pairs(self) -> list[tuple[Mask, Mask]]:
        """Predicted and true, for each modality."""
        return list(zip(self.predicted, self.truth, strict=True))


def class_counts(decisions: Decisions) -> Ids:
    """Counts of every class, (N, L, M, C, 3)."""
    levels = [
        [count(*pair) for pair in decisions.pairs] for count in (segment_counts, event_counts)
    ]
    return np.array(levels).transpose(2, 0, 1, 3, 4)


def length_groups(num_segments: int) -> list[tuple[int, int]]:
    """Groups of lengths in seconds that double: the shortest and the longest of each.

    Example:
        >>> length_groups(10)
        [(1, 1), (2, 2), (3, 4), (5, 8), (9, 10)]
    """
    bounds = [0, *(2**power for power in range(max(num_segments - 1, 0).bit_length()))]
    bounds.append(num_segments)
    return [(low + 1, high) for low, high in pairwise(bounds) if high > low]


def length_counts(decisions: Decisions) -> Ids:
    """Events by their length, (N, M, G, 4): true, of these found, predicted, of these right.

    A true event is in the group of its own length, a predicted one in that of its own.
    """
    N, T, C = decisions.truth[0].shape
    num_groups = len(length_groups(T))

    def per_group(runs: Runs) -> Ids:
        group = np.ceil(np.log2(np.maximum(runs.length, 1))).astype(np.int64)
        video = runs.column // max(C, 1)
        return np.bincount(video * num_groups + group, minlength=N * num_groups).reshape(
            N, num_groups
        )

    of_modality = []
    for pair in decisions.pairs:
        found = match_events(*pair)
        parts = (
            found.truth,
            found.truth.where(found.truth_hit),
            found.predicted,
            found.predicted.where(found.predicted_hit),
        )
        of_modality.append(np.stack([per_group(part) for part in parts], axis=-1))
    return np.stack(of_modality, axis=1)


def length_scores(count_4: NDArray[np.float64] | Ids) -> NDArray[np.float64]:
    """Recall, precision and F in per cent from counts (..., 4), (..., 3).

    NaN where there is nothing to find, nothing found, or neither.
    """
    recall = 100 * ratio(count_4[..., 1], count_4[..., 0])
    precision = 100 * ratio(count_4[..., 3], count_4[..., 2])
    harmonic = ratio(2 * recall * precision, recall + precision)
    both = recall + precision
    return np.stack([recall, precision, np.where(both == 0, 0, harmonic)], axis=-1)


def modality_confusion(decisions: Decisions) -> Ids:
    """How often each true state of a class in a segment was predicted as each, (4, 4).

    Rows are the truth, columns the prediction, in the order of `STATES`. Silence rightly told from
    silence, the first cell, is not counted: it has no end.

    Example:
        >>> heard_NTC, not_NTC = np.ones((1, 3, 1), bool), np.zeros((1, 3, 1), bool)
        >>> decisions = Decisions.of((heard_NTC, heard_NTC), (heard_NTC, not_NTC))
        >>> modality_confusion(decisions)[1].tolist()
        [0, 0, 0, 3]
    """
    predicted = decisions.predicted[0] + 2 * decisions.predicted[1].astype(np.int64)
    truth = decisions.truth[0] + 2 * decisions.truth[1].astype(np.int64)
    table = np.bincount((4 * truth + predicted).ravel(), minlength=16).reshape(4, 4)
    table[0, 0] = 0
    return table


def group_name(group: tuple[int, int]) -> str:
    """How a group of lengths is called.

    Example:
        >>> group_name((1, 1)), group_name((3, 4))
        ('1 s', '3-4 s')
    """
    low, high = group
    return f"{low} s" if low == high else f"{low}-{high} s"


def classes_by_support(count_NLMC3: Ids, labels: Sequence[str]) -> list[int]:
    """The classes that are true or predicted somewhere, the most frequent first."""
    total_C = count_NLMC3[:, 0, :2].sum(axis=(0, 1))
    true_C = total_C[:, 0] + total_C[:, 2]
    order = sorted(range(len(labels)), key=lambda c: (-true_C[c], labels[c]))
    return [c for c in order if total_C[c].sum()]


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

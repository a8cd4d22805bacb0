"""Where a system is good and where not: by class, by length of events, by modality, by threshold.

Everything is counts per video, which add up to the tables and which `bootstrap` can weight. Counts
are pooled over the corpus here, unlike in the official numbers.

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
from mmpyramid.problems.counts import ratio
from mmpyramid.problems.parsing.metrics import (
    Counts,
    event_counts,
    match_events,
    segment_counts,
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

    def stacked(counts: Counts) -> Ids:
        parts = (counts.true_positive_NC, counts.false_positive_NC, counts.false_negative_NC)
        return np.stack(parts, axis=-1)

    levels = [
        [stacked(count(*pair)) for pair in decisions.pairs]
        for count in (segment_counts, event_counts)
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

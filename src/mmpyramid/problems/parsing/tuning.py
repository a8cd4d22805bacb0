"""Thresholds chosen on one split, for use on another: one for all, one a stream, one a class.

Chosen by the number that training selects by, segment-level Type@AV, on a grid. The thresholds of
classes are improved one class at a time from those of the streams, until none gets better, so that
each way is at least as good as the one before it on the split that it was chosen on. On another
split it need not be: a class that occurs three times is easily overfitted.

Axes: N videos, T segments, C classes, K thresholds of the audio and J of the visual stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Gate
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask
from mmpyramid.problems.parsing.decisions import Threshold
from mmpyramid.problems.parsing.metrics import ParsingReport, checked_masks
from mmpyramid.problems.parsing.predictions import Predictions

GRID = np.round(np.arange(0.05, 1, 0.05), 2)
SWEEPS = 10
"""Over all classes; most corpora need two or three."""
ROUNDING = 1e-12
"""Sums in another order differ by less, which is no improvement."""

WAYS = ("one threshold", "one per stream", "one per class and stream")


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """Thresholds of segments, by how many there are.

    Attributes:
        thresholds: for each of `WAYS`, as `llp_masks` takes them.
        scores: segment-level Type@AV on the split that they were chosen on, per cent, by way.
    """

    thresholds: dict[str, Threshold]
    scores: dict[str, float]


def tune_thresholds(
    predictions: Predictions,
    truth_audio: Mask,
    truth_visual: Mask,
    *,
    gate: Gate = "global",
    video_threshold: Threshold = 0.5,
) -> Tuned:
    """Choose the thresholds of segments that give the highest segment-level Type@AV.

    Where several do, those nearest to 0.5 are taken.

    Args:
        predictions: of the split to choose on.
        truth_audio: (N, T, C) what is heard, in the order of its ids.
        truth_visual: (N, T, C) what is seen.
        gate: what decides that a video has a class, which stays as it is.
        video_threshold: of the gate.

    Raises:
        UserError: if there are no videos, shapes disagree or a setting is wrong.
    """
    if not len(truth_audio):
        raise UserError("expected videos to choose thresholds on, got none")
    opened = predictions.masks(gate=gate, threshold=0.0, video_threshold=video_threshold)
    masks = checked_masks((*opened, truth_audio, truth_visual), predictions.mask)
    search = _Search(
        probs=(predictions.audio, predictions.visual),
        opened=(masks[0], masks[1]),
        truth=(masks[2], masks[3]),
    )
    value_KJ = search.all_classes()
    (one,) = _best(np.diag(value_KJ))
    k, j = _best(value_KJ)
    pair = (k, j)
    if value_KJ[pair] <= value_KJ[one, one] + ROUNDING:
        pair = (one, one)
    chosen_C2, value = search.by_class(pair)
    return Tuned(
        thresholds={
            WAYS[0]: float(GRID[one]),
            WAYS[1]: (float(GRID[pair[0]]), float(GRID[pair[1]])),
            WAYS[2]: (GRID[chosen_C2[:, 0]], GRID[chosen_C2[:, 1]]),
        },
        scores={
            WAYS[0]: 100 * float(value_KJ[one, one]),
            WAYS[1]: 100 * float(value_KJ[pair]),
            WAYS[2]: 100 * value,
        },
    )


def tuned_reports(
    tuned: Tuned,
    predictions: Predictions,
    truth_audio: Mask,
    truth_visual: Mask,
    *,
    gate: Gate = "global",
    video_threshold: Threshold = 0.5,
) -> dict[str, ParsingReport]:
    """The official numbers of a split with thresholds of another, by what these are.

    Args:
        tuned: thresholds chosen elsewhere.
        predictions: of the split to evaluate on.
        truth_audio: (N, T, C) what is heard, in the order of its ids.
        truth_visual: (N, T, C) what is seen.
        gate: what decides that a video has a class.
        video_threshold: of the gate.

    Raises:
        UserError: if shapes disagree or a setting is wrong.
    """
    one, pair, per_class = (tuned.thresholds[way] for way in WAYS)
    assert isinstance(pair, tuple)
    named = {
        f"tuned: {one:g}": one,
        f"tuned: audio {pair[0]:g}, visual {pair[1]:g}": pair,
        "tuned: each class": per_class,
    }
    return {
        name: predictions.report(
            truth_audio,
            truth_visual,
            gate=gate,
            threshold=threshold,
            video_threshold=video_threshold,
        )
        for name, threshold in named.items()
    }


class _Table(NamedTuple):
    """What one class adds to each video: its F, and 1 where it is true or predicted.

    Audio is (K, 1, N), visual (1, J, N), audio-visual (K, J, N).
    """

    f: tuple[NDArray[np.float64], ...]
    counts: tuple[NDArray[np.float64], ...]

    def plus(self, other: _Table) -> _Table:
        """The sum of two."""
        return _Table(
            tuple(a + b for a, b in zip(self.f, other.f, strict=True)),
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
        )

    def minus(self, other: _Table) -> _Table:
        """The difference of two."""
        return _Table(
            tuple(a - b for a, b in zip(self.f, other.f, strict=True)),
            tuple(a - b for a, b in zip(self.counts, other.counts, strict=True)),
        )

    def at(self, k: int, j: int) -> _Table:
        """For one pair of thresholds."""
        places = ((slice(k, k + 1), slice(None)), (slice(None), slice(j, j + 1)))
        both = (slice(k, k + 1), slice(j, j + 1))
        cut = [tuple(each[p] for each, p in zip(x, (*places, both), strict=True)) for x in self]
        return _Table(cut[0], cut[1])

    def type_av(self) -> NDArray[np.float64]:
        """Segment-level Type@AV, (K, J), within 0..1."""
        means = [
            np.where(counts > 0.5, f / np.maximum(counts, 1), 1.0).mean(axis=-1)
            for f, counts in zip(self.f, self.counts, strict=True)
        ]
        value_KJ: NDArray[np.float64] = (means[0] + means[1] + means[2]) / 3
        return value_KJ


class _Search:
    """Type@AV at every pair of thresholds, from what each class adds."""

    def __init__(
        self,
        probs: tuple[NDArray[np.floating], NDArray[np.floating]],
        opened: tuple[Mask, Mask],
        truth: tuple[Mask, Mask],
    ) -> None:
        self.probs, self.opened, self.truth = probs, opened, truth
        self.num_classes = truth[0].shape[-1]

    def all_classes(self) -> NDArray[np.float64]:
        """(K, J) with the same pair of thresholds for all classes."""
        total = self._table(0)
        for c in range(1, self.num_classes):
            total = total.plus(self._table(c))
        return total.type_av()

    def by_class(self, start: tuple[int, int]) -> tuple[NDArray[np.int64], float]:
        """Places in the grid (C, 2), each the best one given all others, and the value."""
        chosen = [start] * self.num_classes
        total = self._table(0).at(*start)
        for c in range(1, self.num_classes):
            total = total.plus(self._table(c).at(*start))
        for _ in range(SWEEPS):
            before = list(chosen)
            for c, current in enumerate(before):
                table = self._table(c)
                others = total.minus(table.at(*current))
                value_KJ = others.plus(table).type_av()
                k, j = _best(value_KJ)
                best = (k, j)
                if value_KJ[best] > value_KJ[current] + ROUNDING:
                    chosen[c] = best
                    total = others.plus(table.at(*best))
            if chosen == before:
                break
        return np.array(chosen), float(total.type_av()[0, 0])

    def _table(self, c: int) -> _Table:
        audio_KNT, visual_JNT = (self._masks(stream, c) for stream in (0, 1))
        true_audio, true_visual = (truth[..., c] for truth in self.truth)
        hit_KJN = np.einsum(
            "knt,jnt->kjn", (audio_KNT & true_audio & true_visual), visual_JNT, dtype=np.float32
        )
        found_KJN = np.einsum("knt,jnt->kjn", audio_KNT, visual_JNT, dtype=np.float32)
        both_N = (true_audio & true_visual).sum(axis=-1)
        hits = (
            (audio_KNT & true_audio).sum(axis=-1)[:, None],
            (visual_JNT & true_visual).sum(axis=-1)[None],
            hit_KJN.astype(np.float64),
        )
        totals = (
            (audio_KNT.sum(axis=-1) + true_audio.sum(axis=-1))[:, None],
            (visual_JNT.sum(axis=-1) + true_visual.sum(axis=-1))[None],
            found_KJN.astype(np.float64) + both_N,
        )
        return _Table(
            tuple(2 * hit / np.maximum(total, 1) for hit, total in zip(hits, totals, strict=True)),
            tuple((total > 0).astype(np.float64) for total in totals),
        )

    def _masks(self, stream: int, c: int) -> Mask:
        """(K, N, T) where a class is on at each threshold of the grid."""
        prob_NT = self.probs[stream][..., c]
        masks: Mask = self.opened[stream][..., c] & (
            prob_NT >= GRID.astype(prob_NT.dtype)[:, None, None]
        )
        return masks


def _best(values: NDArray[np.float64]) -> list[int]:
    """Where the highest value is; of several, where the thresholds are nearest to 0.5."""
    places = np.argwhere(values >= values.max() - ROUNDING)
    distance = np.abs(GRID[places] - 0.5).sum(axis=1)
    chosen: list[int] = places[distance.argmin()].tolist()
    return chosen

"""Maximal runs of a mask, and the events that they are.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Event, Modality

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Runs:
    """Maximal runs of a mask, ordered by label then start: columns of the mask, [start, stop)."""

    label: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]

    @classmethod
    def of(cls, mask_TC: Mask) -> Runs:
        """The runs of a mask."""
        padded_CT = np.pad(mask_TC.T.astype(np.int8), ((0, 0), (1, 1)))
        step_CT = np.diff(padded_CT, axis=1)
        label, start = np.nonzero(step_CT == 1)
        return cls(label, start, np.nonzero(step_CT == -1)[1])

    def where(self, keep: Mask) -> Runs:
        """Some of the runs."""
        return Runs(self.label[keep], self.start[keep], self.stop[keep])

    def paint(self, shape_TC: tuple[int, int]) -> Mask:
        """The mask that is on where at least one run is."""
        step_TC = np.zeros((shape_TC[0] + 1, shape_TC[1]), dtype=np.int32)
        np.add.at(step_TC, (self.start, self.label), 1)
        np.add.at(step_TC, (self.stop, self.label), -1)
        return step_TC.cumsum(axis=0)[:-1] > 0

    def mean(self, value_TC: Array) -> NDArray[np.float64]:
        """Mean over each run, float64."""
        if not len(self.start):
            return np.zeros(0)
        # One zero after each class keeps the last stop inside the array, as `reduceat` requires.
        flat = np.pad(value_TC.T.astype(np.float64), ((0, 0), (0, 1))).ravel()
        offset = self.label * (len(value_TC) + 1)
        bounds = np.stack([offset + self.start, offset + self.stop], axis=1).ravel()
        sums: NDArray[np.float64] = np.add.reduceat(flat, bounds)[::2]
        return sums / (self.stop - self.start)


def tidy(mask_TC: Mask, max_gap: float, min_length: float) -> Mask:
    """Fill short gaps, then drop short runs; every segment counts as a whole second."""
    num_segments, num_classes = mask_TC.shape
    if max_gap:
        gaps = Runs.of(~mask_TC)
        inner = (gaps.start > 0) & (gaps.stop < num_segments)
        short = gaps.where(inner & (gaps.stop - gaps.start <= max_gap))
        mask_TC = mask_TC | short.paint((num_segments, num_classes))
    if min_length:
        runs = Runs.of(mask_TC)
        long = runs.where(runs.stop - runs.start >= min_length)
        mask_TC = long.paint((num_segments, num_classes))
    return mask_TC


def events_of(
    mask_TC: Mask, value_TC: Array, modality: Modality, labels: Sequence[str], duration: float
) -> list[Event]:
    """One event for each run of the mask."""
    runs = Runs.of(mask_TC)
    columns = (runs.start, runs.stop, runs.label, runs.mean(value_TC))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Event(float(start), min(float(stop), duration), labels[label], modality, score)
        for start, stop, label, score in rows
    ]

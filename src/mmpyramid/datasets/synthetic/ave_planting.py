"""Which events a simulated AVE corpus has: random ones or given ones, and their files.

Every draw is seeded by the corpus seed and the clip's place: a smaller corpus is a subset of a
larger one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import Problems
from mmpyramid.core.files import write_durably
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.datasets.ave import read_ave
from mmpyramid.datasets.ave_files import (
    ANNOTATIONS_FILE,
    NOISY_LABELS_FILE,
    NUM_SEGMENTS,
    ORDER_FILES,
    EventLines,
    Index,
    annotation_folder,
    label_files,
    raw_lines,
    read_lines,
)
from mmpyramid.datasets.base import LABELS_FILE, SPLITS, Split, read_labels
from mmpyramid.datasets.synthetic.planting import draw_video_id, video_rng
from mmpyramid.store.hdf5 import write_rows

NUM_TRAIN, NUM_NOISY = 3339, 178
"""AVE's training clips, and the clips of background beside them; smaller corpora keep the ratio."""

SECONDS = (0, 0, 172, 174, 169, 152, 165, 114, 90, 71, 2231)
"""How many of AVE's training clips have an event of 0, 1, … 10 seconds, but for one of 0."""

KEY = "avadataset"
"""Name of the dataset in feature and label files."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EventPlan:
    """The clips of a corpus.

    Attributes:
        lines: those of `Annotations.txt`.
        orders: (N,) by split, which clips it has.
        labels: the class names in order.
    """

    lines: list[str]
    orders: dict[Split, Index]
    labels: tuple[str, ...]

    @property
    def num_noisy(self) -> int:
        """How many clips of background go with them, in AVE's proportion."""
        return -(-len(self.orders["train"]) * NUM_NOISY // NUM_TRAIN)


def given_events(annotations: Path | str, sizes: Mapping[str, int], seed: int) -> EventPlan:
    """Random clips of each split of an annotation folder, in the order of their lines.

    AVE's lines are sorted by class: the first ones would lack most classes.

    Raises:
        UserError: if annotations are missing or damaged.
    """
    source = annotation_folder(annotations)
    orders = {split: _drawn(read_ave(source, split).rows, sizes, split, seed) for split in SPLITS}
    rows = np.unique(np.concatenate(list(orders.values())))
    texts = [text for _, text in raw_lines(source)]
    return EventPlan(
        lines=[texts[row] for row in rows],
        orders={split: np.searchsorted(rows, order) for split, order in orders.items()},
        labels=read_labels(source, AVE_LABELS),
    )


def _drawn(row_N: Index, sizes: Mapping[str, int], split: Split, seed: int) -> Index:
    place_N = video_rng(seed, f"{split}/chosen").permutation(len(row_N))
    return row_N[np.sort(place_N[: sizes.get(split)])]


def random_events(sizes: Mapping[str, int], seed: int) -> EventPlan:
    """Random clips with AVE's classes and lengths of events, sorted by class as there."""
    lines = {
        split: [_random_line(video_rng(seed, f"{split}/{index}")) for index in range(sizes[split])]
        for split in SPLITS
    }
    everything = sorted(line for split in SPLITS for line in lines[split])
    row = {line: index for index, line in enumerate(everything)}
    orders = {split: np.array([row[line] for line in lines[split]], np.int64) for split in SPLITS}
    return EventPlan(lines=everything, orders=orders, labels=AVE_LABELS)


def _random_line(rng: np.random.Generator) -> str:
    label = AVE_LABELS[rng.integers(len(AVE_LABELS))]
    length = rng.choice(len(SECONDS), p=np.array(SECONDS) / sum(SECONDS))
    onset = rng.integers(NUM_SEGMENTS - length + 1)
    return f"{label}&{draw_video_id(rng)}&good&{onset}&{onset + length}"


def write_events(folder: Path, plan: EventPlan) -> EventLines:
    """Write the annotations, order files and label files of AVE; give the first as they are read.

    Raises:
        UserError: if the disk is full.
    """
    text = "".join(f"{line}\n" for line in plan.lines)
    write_durably(folder / ANNOTATIONS_FILE, text.encode())
    if plan.labels != AVE_LABELS:
        names = "".join(f"{label}\n" for label in plan.labels)
        write_durably(folder / LABELS_FILE, names.encode())
    for split, order in plan.orders.items():
        _write_array(folder / ORDER_FILES[split], "order", order)
    lines = read_lines(folder, plan.labels, NUM_SEGMENTS, Problems())
    for name, labels in label_files(lines).items():
        _write_array(folder / name, KEY, labels)
    background = len(plan.labels)
    noisy = np.eye(1, background + 1, background, dtype=np.float32).repeat(plan.num_noisy, axis=0)
    _write_array(folder / NOISY_LABELS_FILE, KEY, noisy)
    return lines


def _write_array(path: Path, key: str, array: NDArray[Any]) -> None:
    write_rows(path, key, array.shape, array.dtype, array)

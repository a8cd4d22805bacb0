"""Compares the label files that are distributed with AVE with what its annotations say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmpyramid.core import Array
from mmpyramid.core.errors import Problems
from mmpyramid.datasets.ave_files import (
    NUM_SEGMENTS,
    ORDER_FILES,
    SPLITS,
    EventLines,
    annotation_folder,
    read_labels,
    read_lines,
    read_order,
)
from mmpyramid.store.hdf5 import read_dataset

NUM_ROWS_NAMED = 3


def verify_ave(folder: Path | str, *, num_segments: int = NUM_SEGMENTS) -> tuple[str, ...]:
    """Check that the files of one folder agree: labels with annotations, splits with each other.

    Features are found by line number, so a label file of another order means that the features
    beside it have another order, too.

    Args:
        folder: as for `read_ave`. Those of `labels.h5`, `mil_labels.h5` and `prob_label.h5` that
            are there are compared with what is made from `Annotations.txt`.
        num_segments: T, the length of every clip in seconds.

    Returns:
        The names of the label files that were compared and agree.

    Raises:
        UserError: one report of all that is wrong; rows that differ are named.

    Example:
        >>> verify_ave("AVE-ECCV18/data")  # doctest: +SKIP
        ('labels.h5', 'mil_labels.h5')
    """
    folder, problems = annotation_folder(folder), Problems()
    lines = read_lines(folder, read_labels(folder), num_segments, problems)
    _check_orders(folder, len(lines.ids), problems)
    compared = []
    for name, expected in label_files(lines).items():
        if (folder / name).is_file():
            compared.append(name)
            _compare(folder / name, expected, problems)
    problems.raise_if_any(
        f"expected label and order files in {folder} that agree with its Annotations.txt",
        "Take all files from one release: features, labels and annotations go by row.",
    )
    return tuple(compared)


def label_files(lines: EventLines) -> dict[str, Array]:
    """What each of the distributed label files should hold, by name.

    Returns:
        `labels.h5`: (L, T, C + 1) one-hot of the class of each segment; `mil_labels.h5`: (L, C + 1)
        one-hot of the category; `prob_label.h5`: (L, C + 1) shares of event and background.
    """
    one_hot_CC = np.eye(len(lines.labels) + 1, dtype=np.float32)
    return {
        "labels.h5": one_hot_CC[lines.segments()],
        "mil_labels.h5": lines.targets("weak"),
        "prob_label.h5": lines.targets("proportion"),
    }


def _compare(path: Path, expected: Array, problems: Problems) -> None:
    stored = read_dataset(path)
    if stored.shape != expected.shape:
        problems.add("wrong shapes", f"{stored.shape} in {path.name}, not {expected.shape}")
        return
    # Proportions may have been stored in another precision; the other labels are 0 and 1.
    same_L = np.isclose(stored, expected, rtol=0, atol=1e-6).reshape(len(stored), -1).all(axis=1)
    differing = np.flatnonzero(~same_L)
    if len(differing):
        first = ", ".join(map(str, differing[:NUM_ROWS_NAMED]))
        problems.add("labels that differ", f"{len(differing)} rows of {path.name}, first {first}")


def _check_orders(folder: Path, num_lines: int, problems: Problems) -> None:
    """No clip may be in two splits."""
    owner: dict[int, str] = {}
    for split in SPLITS:
        for row in read_order(folder, split, num_lines, problems).tolist():
            if owner.setdefault(row, ORDER_FILES[split]) != ORDER_FILES[split]:
                problems.add("clips in two splits", f"{row} in {owner[row]} and {split}")

"""Modality-aware labels of training videos: which classes are heard, which are seen.

The file is tab-separated text with a header, one row per video, in any order:

    filename              audio_labels    visual_labels
    00BDwKBD5i8_0_10      Speech,Dog      Dog

Labels are separated by commas; an empty cell means that no class of the video is believed to occur
in that modality. The list that MA's authors published is read as well, see `removals`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from mmpyramid.core import Array
from mmpyramid.core.errors import Problems
from mmpyramid.core.files import write_durably
from mmpyramid.core.text import read_bytes, read_table, shorten
from mmpyramid.datasets.removals import PICKLE, read_removals

COLUMNS = ("filename", "audio_labels", "visual_labels")


class Labelled(Protocol):
    """The N videos of a split with their weak labels."""

    @property
    def names(self) -> tuple[str, ...]:
        """How the annotations call the videos."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names."""
        ...

    @property
    def weak(self) -> Array:
        """(N, C), 1 where a class occurs in a video."""
        ...


def write_refined(path: Path, annotations: Labelled, modality_NMC: Array) -> None:
    """Write the labels of a split.

    Args:
        path: the file; one that exists is replaced as a whole.
        annotations: the videos and their class names.
        modality_NMC: (N, 2, C), 1 where a class occurs in the audio (0) or visual (1) modality.
    """
    lines = ["\t".join(COLUMNS)]
    for name, label_MC in zip(annotations.names, modality_NMC, strict=True):
        cells = (
            ",".join(annotations.labels[index] for index in np.flatnonzero(label_C))
            for label_C in label_MC
        )
        lines.append("\t".join((name, *cells)))
    write_durably(path, ("\n".join(lines) + "\n").encode())


def read_refined(path: Path, annotations: Labelled) -> Array:
    """Read the labels of a split in the order of its videos, (N, 2, C).

    Raises:
        UserError: if there is no such file, a video is missing or occurs twice, or a label is not
            one of the video's weak labels; all problems are reported together.
    """
    if read_bytes(path).startswith(PICKLE):
        return read_removals(path, annotations.weak)
    problems = Problems()
    row_of = {name: row for row, name in enumerate(annotations.names)}
    column_of = {label: column for column, label in enumerate(annotations.labels)}
    shape = (len(annotations.names), 2, len(annotations.labels))
    modality_NMC = np.zeros(shape, np.float32)
    found: set[str] = set()
    _, rows = read_table(path, "\t", COLUMNS, quoted=False, ragged=True)
    for line, cells in rows:
        name = cells["filename"]
        if name in found or name not in row_of:
            kind = "videos that occur twice" if name in found else "videos of another split"
            problems.add(kind, f"{shorten(name)} at line {line}")
            continue
        found.add(name)
        for modality, column in enumerate(COLUMNS[1:]):
            for label in filter(None, cells[column].split(",")):
                index = column_of.get(label)
                if index is None or not annotations.weak[row_of[name], index]:
                    problems.add(
                        "labels that the video does not have", f"{shorten(label)!r} at line {line}"
                    )
                else:
                    modality_NMC[row_of[name], modality, index] = 1
    for name in annotations.names:
        if name not in found:
            problems.add("missing videos", name)
    problems.raise_if_any(
        f"expected modality-aware labels of {len(annotations.names)} videos in {path}",
        "Refine the labels of this corpus by `mmpyramid refine`.",
    )
    return modality_NMC

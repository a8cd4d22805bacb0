"""Modality-aware labels of training videos: which classes are heard, which are seen.

Our file is tab-separated text with a header, one row per video, in any order:

    filename              audio_labels    visual_labels
    00BDwKBD5i8_0_10      Speech,Dog      Dog

Labels are separated by commas, and one with a comma or a quote in it is quoted as in CSV; an empty
cell means that no class of the video is believed to occur in that modality.

The labels that MA's authors removed are read as they were published: `need_to_change.pkl`, a pickle
of two lists, visual and audio, of one list for each class: tensors without dimensions, each the row
in `AVVP_train.csv` of a video that the class was removed from. Where it comes from:
GenjiB/CM-Co-Occurrence-AVVP, for MA (Wu & Yang, CVPR 2021). No code in the file is run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from mmpyramid.core import Array
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import write_durably
from mmpyramid.core.tensors import read_pickle
from mmpyramid.core.text import read_bytes, read_table, shorten

PICKLE = b"\x80"
"""What pickles begin with, and no text."""
LARGEST = 2**26
"""Bytes; the published file has 2 MB."""
SIDES = ("visual", "audio")
"""In the order of the file."""


def read_removals(path: Path, weak_NC: Array) -> Array:
    """The labels that are left in each modality, (N, 2, C).

    Args:
        path: the file.
        weak_NC: the weak labels of the training videos, in the order of `AVVP_train.csv`.

    Raises:
        UserError: if the file is another pickle, or removes what no video has.
    """
    try:
        sides = read_pickle(read_bytes(path, LARGEST))
        rows = [[[int(row) for row in rows] for rows in side] for side in sides]
    except (UserError, TypeError, ValueError) as error:
        raise UserError(
            f"expected lists of rows in {path}, as the labels that MA removes are published; got "
            f"another pickle ({shorten(str(error))})"
        ) from error
    if [len(side) for side in rows] != [weak_NC.shape[1]] * len(SIDES):
        raise UserError(
            f"expected {len(SIDES)} x {weak_NC.shape[1]} lists of rows in {path}, for each "
            f"modality and class; got {' and '.join(str(len(side)) for side in rows)} lists"
        )
    modality_NMC = np.stack((weak_NC, weak_NC), axis=1).astype(np.float32)
    for index, (name, classes) in enumerate(zip(SIDES, rows, strict=True)):
        for column, removed in enumerate(classes):
            wrong = [n for n in removed if not 0 <= n < len(weak_NC) or not weak_NC[n, column]]
            if wrong:
                raise UserError(
                    f"{path} removes {name} labels of class {column} that videos do not have, such "
                    f"as in row {wrong[0]}; it is for the training split of LLP as it was published"
                )
            modality_NMC[removed, 1 - index, column] = 0
    return modality_NMC


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
            _joined(annotations.labels[index] for index in np.flatnonzero(label_C))
            for label_C in label_MC
        )
        lines.append("\t".join((name, *cells)))
    write_durably(path, ("\n".join(lines) + "\n").encode())


def _joined(labels: Iterable[str]) -> str:
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow(labels)
    return cell.getvalue()


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
            for label in filter(None, next(csv.reader([cells[column]]), [])):
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

"""Reads the annotations of Look, Listen, and Parse (LLP) exactly as they are distributed.

Source: the tab-separated files of Tian et al., "Unified Multisensory Perception: Weakly-Supervised
Audio-Visual Video Parsing", ECCV 2020. Their official evaluator fills segments [onset, offset) of
videos matched by full name, so rows whose name matches no video have no effect, and neither have
rows whose offset does not exceed their onset. Both occur in the files; both are kept that way.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import Problems
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.datasets.annotation_layout import refuse_other_layout
from mmpyramid.datasets.annotations import Annotations

Split: TypeAlias = Literal["train", "val", "test"]

WEAK_FILES = {"train": "AVVP_train.csv", "val": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"}
AUDIO_FILE, VISUAL_FILE = "AVVP_eval_audio.csv", "AVVP_eval_visual.csv"
LABELS_FILE = "labels.txt"
ID_LENGTH = 11
NAME = re.compile(rf"(?P<id>.{{{ID_LENGTH}}})_(?P<start>\d+(\.\d+)?)_(?P<end>\d+(\.\d+)?)")


def read_llp(folder: Path | str, split: Split, labels: Sequence[str] | None = None) -> Annotations:
    """Read one split of an annotation folder in LLP's layout, in the order of its rows.

    T is the length of the longest clip, as its name `<id>_<start>_<end>` tells (LLP: 10).

    Args:
        folder: the folder with the `AVVP_*.csv` files, or one whose `data/` holds them.
        split: `train` has weak labels only, `val` and `test` have dense ones as well.
        labels: the class names in order; by default the lines of `labels.txt` in the folder, and
            the 25 classes of LLP where there is no such file.

    Raises:
        UserError: if the folder is in the layout of AVE; one report of all missing files and
            columns, unknown labels, times that are not whole seconds, and names that do not fit or
            occur twice.

    Example:
        >>> annotations = read_llp("AVVP-ECCV20", "val")  # doctest: +SKIP
        >>> annotations.audio.shape  # doctest: +SKIP
        (649, 10, 25)
    """
    refuse_other_layout(Path(folder), "LLP")
    folder = _annotation_folder(Path(folder))
    reader = _Reader(folder, tuple(labels) if labels is not None else _read_labels(folder))
    names, weak = reader.weak(WEAK_FILES[split])
    clips = reader.clips(names, WEAK_FILES[split])
    num_segments = max((round(length) for length in clips.values()), default=0)
    audio = visual = None
    if split != "train":
        audio = reader.dense(AUDIO_FILE, names, num_segments)
        visual = reader.dense(VISUAL_FILE, names, num_segments)
    reader.problems.raise_if_any(
        f"expected the annotations of LLP's {split} split in {folder}",
        f"Mend the files, or list your own classes in {folder / LABELS_FILE}, one per line.",
    )
    return Annotations(
        ids=tuple(clips),
        names=tuple(names),
        labels=reader.labels,
        num_segments=num_segments,
        weak=weak,
        audio=audio,
        visual=visual,
    )


class _Reader:
    """Reads the files of one folder and collects what is wrong with them."""

    def __init__(self, folder: Path, labels: tuple[str, ...]) -> None:
        self.folder = folder
        self.labels = labels
        self.problems = Problems()
        self._index = {label: index for index, label in enumerate(labels)}

    def weak(self, file: str) -> tuple[list[str], Array]:
        """The names of a split and their weak labels (N, C)."""
        names, classes = [], []
        for where, row in self._rows(file, ("filename", "event_labels")):
            names.append(row["filename"])
            classes.append(self._classes(row["event_labels"], where))
        weak_NC = np.zeros((len(names), len(self.labels)), np.float32)
        for video, indices in enumerate(classes):
            weak_NC[video, indices] = 1
        return names, weak_NC

    def clips(self, names: Sequence[str], file: str) -> dict[str, float]:
        """Seconds of every clip by id, in order."""
        seconds: dict[str, float] = {}
        for name in names:
            match = NAME.fullmatch(name)
            if match is None:
                self.problems.add("names that are not <11 characters>_<start>_<end>", name)
            elif match["id"] in seconds:
                self.problems.add(f"ids that occur twice in {file}", match["id"])
            else:
                seconds[match["id"]] = float(match["end"]) - float(match["start"])
        return seconds

    def dense(self, file: str, names: Sequence[str], num_segments: int) -> NDArray[np.bool_]:
        """(N, T, C) truth of one modality; rows about other videos are passed over."""
        video = {name: index for index, name in enumerate(names)}
        truth_NTC = np.zeros((len(names), num_segments, len(self.labels)), np.bool_)
        for where, row in self._rows(file, ("filename", "onset", "offset", "event_labels")):
            classes = self._classes(row["event_labels"], where)
            times = [row["onset"], row["offset"]]
            if not all(time.isdecimal() for time in times):
                self.problems.add("times that are not whole seconds", f"{times} at {where}")
            elif row["filename"] in video:
                onset, offset = map(int, times)
                truth_NTC[video[row["filename"]], onset:offset, classes] = True
        return truth_NTC

    def _classes(self, names: str, where: str) -> list[int]:
        indices = []
        for name in names.split(","):
            if name in self._index:
                indices.append(self._index[name])
            else:
                self.problems.add("unknown labels", f"{name!r} at {where}")
        return indices

    def _rows(self, file: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Every row with the place where it stands."""
        path = self.folder / file
        if not path.is_file():
            self.problems.add("missing files", file)
            return
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, delimiter="\t", restval="")
            absent = [name for name in columns if name not in (table.fieldnames or ())]
            for name in absent:
                self.problems.add("missing columns", f"{name!r} in {file}")
            if not absent:
                for row in table:
                    yield f"{file} line {table.line_num}", row


def _annotation_folder(folder: Path) -> Path:
    inner = folder / "data"
    return inner if not any(folder.glob("AVVP_*.csv")) and inner.is_dir() else folder


def _read_labels(folder: Path) -> tuple[str, ...]:
    path = folder / LABELS_FILE
    if not path.is_file():
        return LLP_LABELS
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return tuple(line.strip() for line in lines if line.strip())

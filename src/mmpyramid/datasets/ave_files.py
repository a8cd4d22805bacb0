"""The files that AVE's annotations and features are distributed in: read one by one, and compared.

Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018. A line of
`Annotations.txt` is a clip, and its number is the clip's row in every feature and label file.

Features are one HDF5 file per stream: `audio_feature.h5` (N, 10, 128) and `visual_feature.h5`
(N, 10, 7, 7, 512), in float64; and the same with `_noisy` for the clips of background that weak
training adds. The visual file has 8.3 GB, so only the rows of a batch are ever read.

Shape letters: L lines (clips), N rows, B batch, T segments, C classes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Features
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import is_file_name
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.core.text import TextError, lines_of, read_text, shorten, whole_number
from mmpyramid.datasets.base import (
    SPLITS,
    Kind,
    Split,
    folder_of_files,
    has_files,
    read_labels,
)
from mmpyramid.datasets.features import check_streams
from mmpyramid.store.hdf5 import RowFile, read_dataset

Index: TypeAlias = NDArray[np.int64]

ANNOTATIONS_FILE = "Annotations.txt"
ORDER_FILES: dict[Split, str] = {split: f"{split}_order.h5" for split in SPLITS}
NOISY_LABELS_FILE = "labels_noisy.h5"
HEADER = "Category&VideoID&Quality&StartTime&EndTime"
"""First line of the file as it comes with the videos; the copy beside the features has none."""

NUM_SEGMENTS = 10
NUM_ROWS_NAMED = 3

WITHOUT_BACKGROUND_CLIPS = (
    " Without the background clips: background_clips=False (`--objective.no-background-clips`)."
)
"""Advice for somebody who lacks the noisy set."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EventLines:
    """Every clip of `Annotations.txt`: L lines, one contiguous event in each.

    Attributes:
        ids: the YouTube ids; one may stand in several lines, with different categories.
        category_L: class of the event.
        extent_L2: its onset and offset in whole seconds; an empty event has them equal.
        labels: the C class names.
        num_segments: T.
    """

    ids: tuple[str, ...]
    category_L: Index
    extent_L2: Index
    labels: tuple[str, ...]
    num_segments: int

    def segments(self) -> Index:
        """Class of every segment, (L, T), C where there is background."""
        onset_L1, offset_L1 = self.extent_L2[:, :1], self.extent_L2[:, 1:]
        second_T = np.arange(self.num_segments)
        inside_LT = (onset_L1 <= second_T) & (second_T < offset_L1)
        return np.where(inside_LT, self.category_L[:, None], len(self.labels))

    def targets(self, supervision: Kind) -> Array:
        """The video-level targets (L, C + 1), see `mmpyramid.datasets.ave.read_ave`."""
        clips = np.arange(len(self.ids))
        weak_LC = np.zeros((len(self.ids), len(self.labels) + 1), np.float32)
        if supervision == "proportion":
            seconds_L = self.extent_L2[:, 1] - self.extent_L2[:, 0]
            weak_LC[clips, self.category_L] = seconds_L / self.num_segments
            weak_LC[:, -1] = 1 - seconds_L / self.num_segments
        else:
            weak_LC[clips, self.category_L] = 1
        return weak_LC


def raw_lines(folder: Path) -> list[tuple[int, str]]:
    """The lines of `Annotations.txt` with their numbers from 1, without a header.

    Raises:
        FileNotFoundError: if there is no such file.
        UserError: if it is no text, or a line is too long.
    """
    path = folder / ANNOTATIONS_FILE
    path.stat()
    text = read_text(path)
    try:
        lines = list(lines_of(text))
    except TextError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return lines[1:] if text.startswith(HEADER) else lines


def read_lines(
    folder: Path, labels: Sequence[str], num_segments: int, problems: Problems
) -> EventLines:
    """Read `Annotations.txt`, adding what is wrong with it to `problems`.

    Args:
        folder: where it is.
        labels: the class names in order.
        num_segments: T, the length of every clip in seconds.
        problems: gets a missing file, malformed lines, unknown categories and wrong times.

    Returns:
        What was read; what is faulty stands there as the first class and an empty event.
    """
    index = {label: number for number, label in enumerate(labels)}
    ids, categories, extents = [], [], []
    try:
        lines = raw_lines(folder)
    except FileNotFoundError:
        problems.add("missing files", ANNOTATIONS_FILE)
        lines = []
    for number, line in lines:
        fields = line.split("&")
        if len(fields) != len(HEADER.split("&")):
            problems.add(f"lines that are not {HEADER}", f"{shorten(line)!r} at line {number}")
            fields = ["", "", "", "0", "0"]
        elif not is_file_name(fields[1]):
            problems.add(
                "ids that cannot be names of files", f"{shorten(fields[1])!r} at line {number}"
            )
        elif fields[0] not in index:
            problems.add("unknown categories", f"{shorten(fields[0])!r} at line {number}")
        ids.append(fields[1])
        categories.append(index.get(fields[0], 0))
        extents.append(_extent(fields[3:], num_segments, number, problems))
    return EventLines(
        ids=tuple(ids),
        category_L=np.array(categories, np.int64),
        extent_L2=np.array(extents, np.int64).reshape(-1, 2),
        labels=tuple(labels),
        num_segments=num_segments,
    )


def _extent(
    times: Sequence[str], num_segments: int, number: int, problems: Problems
) -> tuple[int, int]:
    where = f"{'..'.join(map(shorten, times))} at line {number}"
    onset, offset = map(whole_number, times)
    if onset is None or offset is None:
        problems.add("times that are not whole seconds", where)
        return 0, 0
    if not 0 <= onset <= offset <= num_segments:
        problems.add(f"times that are not in order within the {num_segments} s of a clip", where)
        return 0, 0
    return onset, offset


def read_order(folder: Path, split: Split, num_lines: int, problems: Problems) -> Index:
    """Read which clips a split has, (N,), adding what is wrong to `problems`.

    Args:
        folder: where `<split>_order.h5` is.
        split: the split.
        num_lines: L, the number of clips there are.
        problems: gets a missing or unreadable file, and entries out of range or repeated.

    Returns:
        The usable entries, in order.
    """
    name = ORDER_FILES[split]
    order = _read_array(folder / name, problems)
    if order is None:
        return np.zeros(0, np.int64)
    if order.ndim != 1 or order.dtype.kind not in "iu":
        problems.add("orders that are not lists of integers", f"{order.shape} in {name}")
        return np.zeros(0, np.int64)
    inside = (order >= 0) & (order < num_lines)
    for entry in order[~inside]:
        problems.add(f"order entries that are none of the {num_lines} clips", f"{entry} in {name}")
    entries, counts = np.unique(order, return_counts=True)
    for entry in entries[counts > 1]:
        problems.add("order entries that occur twice", f"{entry} in {name}")
    return order[inside].astype(np.int64)


def count_background_clips(folder: Path, num_classes: int, problems: Problems) -> int:
    """How many clips without an event `labels_noisy.h5` lists, adding what is wrong to `problems`.

    Args:
        folder: where the file is.
        num_classes: C; the file is (K, C + 1), every row one-hot at C.
        problems: gets a missing or unreadable file, a wrong shape, and rows that say anything else.
    """
    labels = _read_array(folder / NOISY_LABELS_FILE, problems)
    if labels is None:
        return 0
    if labels.ndim != 2 or labels.shape[1] != num_classes + 1:
        problems.add(
            "wrong shapes", f"{labels.shape} in {NOISY_LABELS_FILE}, not (K, {num_classes + 1})"
        )
        return 0
    background = np.arange(num_classes + 1) == num_classes
    for row in np.flatnonzero((labels != background).any(axis=1)):
        problems.add("background clips that are labeled otherwise", f"row {row} in the noisy set")
    return len(labels)


def _read_array(path: Path, problems: Problems) -> NDArray[Any] | None:
    if not path.is_file():
        problems.add("missing files", path.name)
        return None
    try:
        return read_dataset(path)
    except UserError as error:
        problems.add("unreadable files", str(error))
        return None


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
    folder, problems = folder_of_files(Path(folder), (ANNOTATIONS_FILE,)), Problems()
    lines = read_lines(folder, read_labels(folder, AVE_LABELS), num_segments, problems)
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


FILES = {"vggish": "audio_feature", "vgg19": "visual_feature"}
"""Name of the file of each stream, without `.h5` or `_noisy.h5`."""
FEATURE_FILES = tuple(f"{name}.h5" for name in FILES.values())

SEGMENT_SHAPES: dict[str, tuple[int, ...]] = {"vggish": (128,), "vgg19": (7, 7, 512)}


class AveFolder:
    """The published feature files of one folder.

    Args:
        folder: the folder that holds them, or one whose `data/` does.

    Example:
        >>> AveFolder("AVE-ECCV18").streams  # doctest: +SKIP
        {'vggish': 128, 'vgg19': 512}
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = folder_of_files(Path(folder), FEATURE_FILES)

    @staticmethod
    def is_published(folder: Path | str) -> bool:
        """Whether a folder, or its `data`, has at least one of the published files."""
        return has_files(folder_of_files(Path(folder), FEATURE_FILES), FEATURE_FILES)

    def __contains__(self, video_id: object) -> bool:
        """Every clip of the annotations has a row in the files."""
        return True

    @property
    def streams(self) -> Mapping[str, int]:
        """The width D of every stream by name."""
        return MappingProxyType({name: shape[-1] for name, shape in SEGMENT_SHAPES.items()})

    def describe(self) -> str:
        """What made these features, on one line."""
        return f"the published VGGish and VGG-19 features in {self.folder}"

    def open(
        self, streams: Collection[str], num_rows: int, num_segments: int, *, noisy: bool = False
    ) -> dict[str, RowFile]:
        """Open the files of some streams.

        Args:
            streams: names out of `streams`.
            num_rows: how many rows a file needs at least.
            num_segments: T.
            noisy: whether to open the files of the noisy set.

        Raises:
            UserError: one report of all files that are missing, damaged, or of a wrong shape.
        """
        problems = Problems()
        files = {}
        for stream in streams:
            path = self.folder / f"{FILES[stream]}{'_noisy' if noisy else ''}.h5"
            if not path.is_file():
                problems.add("missing files", path.name)
                continue
            file = files[stream] = RowFile.open(path)
            expected = (num_segments, *SEGMENT_SHAPES[stream])
            if file.shape[1:] != expected or file.shape[0] < num_rows:
                shape = ", ".join(map(str, (f"at least {num_rows}", *expected)))
                problems.add("wrong shapes", f"{file.shape} in {path.name}, not ({shape})")
        remedy = "They come with AVE's feature archive; a file of another shape is of another set."
        if noisy:
            remedy += WITHOUT_BACKGROUND_CLIPS
        problems.raise_if_any(f"expected the feature files of AVE in {self.folder}", remedy)
        return files


class ClipReader:
    """Reads the published features of chosen clips, a batch at a time.

    Args:
        folder: where the files are.
        ids: the video of each clip.
        streams: what the network reads, out of `AveFolder.streams`.
        rows_N: row of each clip in its files.
        noisy_N: True where those are the files of the noisy set.
        num_segments: T.

    Raises:
        UserError: as `AveFolder.open`, or if there are no such streams.
    """

    def __init__(
        self,
        folder: AveFolder,
        ids: Sequence[str],
        streams: Streams,
        rows_N: Index,
        noisy_N: NDArray[np.bool_],
        num_segments: int,
    ) -> None:
        check_streams(folder, streams)
        self._present_M = [bool(streams.audio), bool(streams.visual)]
        self._ids, self._rows_N, self._noisy_N = ids, rows_N, noisy_N
        self._shapes = {name: (num_segments, *SEGMENT_SHAPES[name]) for name in streams.widths}
        self._files = {
            noisy: folder.open(
                tuple(streams.widths),
                1 + int(rows_N[noisy_N == noisy].max()),
                num_segments,
                noisy=noisy,
            )
            for noisy in (False, True)
            if (noisy_N == noisy).any()
        }

    def check(self) -> None:
        """Do nothing: names and shapes are checked on opening, values whenever they are read."""

    def read(self, clips_B: Index) -> dict[str, Array]:
        """The features (B, T, ...) float32 of some clips by stream.

        Raises:
            UserError: if a clip has NaN or infinite values.
        """
        streams = {
            name: np.empty((len(clips_B), *shape), np.float32)
            for name, shape in self._shapes.items()
        }
        for noisy, files in self._files.items():
            places = np.flatnonzero(self._noisy_N[clips_B] == noisy)
            for name, file in files.items():
                file.fill(streams[name], places, self._rows_N[clips_B[places]])
        return streams

    def batch(self, rows: Sequence[int]) -> Batch:
        """The features of some clips, without labels."""
        import torch

        features = self.read(np.asarray(rows))
        num_segments = next(iter(self._shapes.values()))[0]
        return Batch(
            streams={name: torch.from_numpy(values) for name, values in features.items()},
            mask_BT=torch.ones(len(rows), num_segments, dtype=torch.bool),
            present_BM=torch.tensor([self._present_M]).repeat(len(rows), 1),
        )

    def item(self, video_id: str) -> Features:
        """The features of the first clip of a video."""
        clip = np.array([self._ids.index(video_id)])
        return {name: values[0] for name, values in self.read(clip).items()}

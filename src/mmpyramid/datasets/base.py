"""What every data set gives, whatever its files look like, and how the layout of a folder is found.

Shape letters: N rows, B batch, T segments, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias

import numpy as np

from mmpyramid.core import Array, Features, Modality
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, Runs
from mmpyramid.core.text import read_list
from mmpyramid.datasets.features import Described, FeatureReader, open_source
from mmpyramid.datasets.segment_labels import SegmentLabels

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
LABELS_FILE = "labels.txt"
LONGEST_LABEL, MOST_LABELS = 500, 10_000

Kind: TypeAlias = Literal["full", "weak", "proportion"]
"""What training targets say; see `Supervision`."""


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """Which labels of the training split a network may see.

    Attributes:
        kind: AVE: `full`, the class of every segment; `weak`, the category of the clip;
            `proportion`, also which share of the clip the event lasts. LLP has weak labels only.
        background_clips: AVE: without full supervision, add the clips of pure background.
        refined: LLP and folders: a file of modality-aware labels, see `mmpyramid.datasets.refined`.
        segments: LLP and folders: what teachers say of each segment.

    Example:
        >>> Supervision(kind="weak", background_clips=False).kind
        'weak'
    """

    kind: Kind = "full"
    background_clips: bool = True
    refined: Path | None = None
    segments: SegmentLabels | None = None


class ExactEvent(NamedTuple):
    """An event as annotated: row of its video, class, seconds."""

    video: int
    label: int
    start: float
    end: float


class Dataset(ABC):
    """One split of a corpus; a list of rows gives a `Batch`.

    What is kept in memory are names and labels. Features are read from disk batch by batch.

    Attributes:
        labels: the C class names, without background.
        ids: the videos, each once. In AVE a video may have several rows, one for each clip.
        num_segments: T, the length of the longest video.
        may_be_longer: whether that is only the end of the last event, since nothing else says how
            long the videos are.
        simulated: whether annotations or features say that no video is behind them.

    Example:
        >>> from mmpyramid.datasets import open_dataset
        >>> test = open_dataset(Path("LLP"), "test")  # doctest: +SKIP
        >>> test.truth(test.ids[0])[Modality.AUDIO].shape  # doctest: +SKIP
        (10, 25)
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    num_segments: int
    may_be_longer: bool = False
    simulated: bool = False
    reader: FeatureReader | None = None
    """None if only annotations were asked for."""

    @abstractmethod
    def __len__(self) -> int:
        """N."""

    @abstractmethod
    def batch(self, rows: Sequence[int]) -> Batch:
        """Features and labels of some rows.

        Raises:
            UserError: if features are missing, damaged, or of a wrong shape.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """How the annotations call the videos: as the ids, but for LLP, which adds the cut."""
        return self.ids

    @property
    @abstractmethod
    def weak(self) -> Array:
        """(N, C) float32, 1 where a class occurs in a row; AVE adds background, (N, C + 1)."""

    @property
    @abstractmethod
    def masks(self) -> tuple[Mask, Mask]:
        """What is heard and what is seen in every row, two (N, T, C), False beyond a row's end.

        Raises:
            UserError: if the split has weak labels only.
        """

    @property
    def events(self) -> list[ExactEvent]:
        """Every event that is heard and seen at once, to the second or as exactly as annotated.

        Raises:
            UserError: if the split has weak labels only.
        """
        heard_NTC, seen_NTC = self.masks
        runs, num_classes = Runs.of(heard_NTC & seen_NTC), len(self.labels)
        columns = (runs.column // num_classes, runs.column % num_classes, runs.start, runs.stop)
        return [
            ExactEvent(video, label, float(start), float(stop))
            for video, label, start, stop in zip(*(c.tolist() for c in columns), strict=True)
        ]

    @property
    def groups(self) -> Mapping[str, Mask]:
        """Rows that are also measured by themselves, (N,) by name; none in most data sets."""
        return {}

    def item(self, video_id: str) -> Features:
        """The features of one video, (T, ..., D) by stream at the video's own length.

        Of AVE's published files, they are those of the first of its clips.

        Raises:
            UserError: if they are missing or damaged.
        """
        return self.features.item(video_id)

    @abstractmethod
    def truth(self, video_id: str) -> Mapping[Modality, Mask]:
        """What is annotated in one video: (T, C) by modality, at the video's own length.

        Raises:
            UserError: if the split has weak labels only.
        """

    @abstractmethod
    def digest(self) -> dict[str, str]:
        """Digests of `annotations`, `features` (of the first video) and `refined` labels, if any.

        They depend on the content alone: the same data elsewhere has the same digests.
        """

    @abstractmethod
    def describe(self) -> str:
        """What this is, on one line."""

    def check(self) -> Self:
        """Check the features of all rows now, not when a batch needs them; returns itself.

        Raises:
            UserError: one report of all that is missing, damaged, of a wrong shape or not finite.
        """
        self.features.check()
        return self

    @property
    def features(self) -> FeatureReader:
        """Where batches come from.

        Raises:
            UserError: if the data set was opened without features.
        """
        if self.reader is None:
            raise UserError(
                f"expected features of {self.describe()}, but only annotations were opened; give "
                "the streams to read"
            )
        return self.reader

    def __getitem__(self, row: int) -> Batch:
        return self.batch([row])

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """Give the batch of some rows; data loaders call this once per batch."""
        return self.batch(rows)


class Opener(Protocol):
    """Opens one split of a layout; see `mmpyramid.datasets.open_dataset`."""

    def __call__(
        self,
        data: Path,
        split: Split,
        streams: Streams | None,
        *,
        features: Path | None,
        supervision: Supervision,
    ) -> Dataset:
        """Open a split."""
        ...


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A form of annotations on disk.

    Attributes:
        name: for messages.
        files: glob patterns of files that only this layout has, in the corpus folder or its
            `data/`.
        open: opens a split.
        problem: the problem whose benchmark this is; None if any problem may read it.
        features: finds the features of a corpus folder, and raises a `UserError` if there are none.
        is_general: whether its files are called as those of other layouts may be, which then count.
        verify: compares the files of a folder with each other, gives the names of those that agree,
            and raises a `UserError` that lists the differences; None if no two say the same.

    Example:
        >>> mine = Layout(name="mine", files=("mine.json",), open=Mine.open)  # doctest: +SKIP
        >>> mine.is_in(Path("corpus"))  # doctest: +SKIP
        True
    """

    name: str
    files: tuple[str, ...]
    open: Opener
    problem: str | None = None
    features: Callable[[Path], Described] = open_source
    is_general: bool = False
    verify: Callable[[Path], tuple[str, ...]] | None = None

    def is_in(self, folder: Path) -> bool:
        """Whether a folder, or its `data/`, has files of this layout."""
        return any(has_files(folder / place, self.files) for place in ANNOTATION_PLACES)


ANNOTATION_PLACES = ("", "data")
"""Where annotations may be, from the corpus folder on."""


def has_files(folder: Path, patterns: Iterable[str]) -> bool:
    """Whether a folder has files of any glob pattern."""
    return any(any(folder.glob(pattern)) for pattern in patterns)


def folder_of_files(
    folder: Path, patterns: Sequence[str], places: Sequence[str] = ANNOTATION_PLACES
) -> Path:
    """The first place with files of any glob pattern; the folder itself if there is none.

    Args:
        folder: the corpus folder.
        patterns: of the files.
        places: paths from the corpus folder on.
    """
    found = (folder / place for place in places if has_files(folder / place, patterns))
    return next(found, folder)


LAYOUTS: dict[str, Layout] = {}


def register(layout: Layout) -> Layout:
    """Make a layout known to `open_dataset`.

    Example:
        >>> mine = Layout(name="mine", files=("mine.json",), open=Mine.open)  # doctest: +SKIP
        >>> register(mine)  # doctest: +SKIP
    """
    LAYOUTS[layout.name] = layout
    return layout


def find_layout(folder: Path, problem: str | None = None) -> Layout:
    """The layout of a folder, by the files in it.

    Where there are files of several, that of the problem counts; a problem that is no layout's own
    reads any.

    Args:
        folder: the corpus folder.
        problem: what the data is for; None takes any layout.

    Raises:
        UserError: if there are files of layouts for other problems only.
    """
    own = [layout for layout in LAYOUTS.values() if problem and layout.problem == problem]
    found = sorted(
        (layout for layout in LAYOUTS.values() if layout.is_in(folder)),
        key=lambda layout: layout.is_general,
    )
    fitting = [
        *(layout for layout in found if layout in own),
        *(layout for layout in found if layout.problem is None or not own),
    ]
    if fitting:
        return fitting[0]
    if found and own:
        raise _other_layout(folder, own[0], found[0])
    # The reader of the layout says which of its files are missing.
    return (own or list(LAYOUTS.values()))[0]


def check_layout(folder: Path, name: str) -> None:
    """Check that a folder is not one of another layout.

    Raises:
        UserError: if the folder has files of another layout and none of this one.
    """
    found = [layout for layout in LAYOUTS.values() if layout.is_in(folder)]
    if found and LAYOUTS[name] not in found:
        raise _other_layout(folder, LAYOUTS[name], found[0])


def _other_layout(folder: Path, expected: Layout, found: Layout) -> UserError:
    return UserError(
        f"expected annotations in the layout of {expected.name} in {folder}, got files of "
        f"{found.name} ({', '.join(found.files)}); parsing networks need the layout of LLP, and "
        "localization networks that of AVE"
    )


def read_labels(folder: Path, default: tuple[str, ...]) -> tuple[str, ...]:
    """The class names: the lines of `labels.txt` in a folder if there is one, else the default.

    Raises:
        UserError: if the file cannot be read, or a name stands there twice or is too long.
    """
    path = folder / LABELS_FILE
    if not path.is_file():
        return default
    line_of: dict[str, int] = {}
    for number, label in read_list(path):
        if label in line_of:
            raise UserError(
                f"expected every class once in {path}, got {label!r} at lines {line_of[label]} and "
                f"{number}; keep one"
            )
        if len(label) > LONGEST_LABEL:
            raise UserError(
                f"expected names of classes in {path}, got {len(label):,} characters at line "
                f"{number}; write one class per line"
            )
        line_of[label] = number
    if len(line_of) > MOST_LABELS:
        raise UserError(
            f"expected at most {MOST_LABELS:,} classes in {path}, got {len(line_of):,}; is it the "
            "right file?"
        )
    return tuple(line_of)


def check_not_empty(dataset: Dataset, data: Path, split: Split) -> None:
    """Check that there is something to learn from or to measure.

    Raises:
        UserError: if a split has no videos.
    """
    if not len(dataset):
        raise UserError(
            f"expected videos in the {split} split of {data}, but its annotations name none; add "
            "some, or take another corpus"
        )


def digest_of(value: Any) -> str:
    """SHA-256 of arrays, of mappings of arrays, and of values that `repr` describes fully.

    Example:
        >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
        True
    """
    if isinstance(value, Mapping):
        value = sorted((name, digest_of(part)) for name, part in value.items())
    if isinstance(value, np.ndarray):
        value = value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
    return hashlib.sha256(repr(value).encode()).hexdigest()

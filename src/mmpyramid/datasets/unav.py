"""UnAV-100: untrimmed videos with dense events that are heard and seen, as it is distributed.

Source: Geng et al., "Dense-Localizing Audio-Visual Events in Untrimmed Videos", CVPR 2023:
`unav100_annotations.json`, with times in fractions of a second, and a folder of I3D and VGGish
features, three files for each video, one row every 0.32 s. Rows are averaged to seconds: those
whose clip of 24 frames has its middle in that second. An event is on in the seconds that it covers
by half or more; `events` has the exact times, which mAP is measured with.

Shape letters: N videos, B batch, T segments, D width, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Event, Features, Modality, Progress, Timeline
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import is_file_name
from mmpyramid.core.runs import Mask, rasterize
from mmpyramid.core.text import LARGEST_FILE, read_json, shorten
from mmpyramid.core.timeline import LONGEST
from mmpyramid.datasets.base import (
    Dataset,
    ExactEvent,
    Layout,
    Split,
    Supervision,
    digest_of,
    folder_of_files,
    register,
)
from mmpyramid.datasets.features import ById, open_source
from mmpyramid.store.mapped import FeatureTable, packed_table
from mmpyramid.store.npy import read_features
from mmpyramid.store.source import (
    Fault,
    FaultKind,
    FeatureError,
    FeatureSource,
    choose_streams,
    find_faults,
)

ANNOTATIONS_FILE = "unav100_annotations.json"
PLACES = ("", "annotations/", "unav100/annotations/", "data/unav100/annotations/")
"""Where the file may be, from the corpus folder on."""
FEATURE_PLACES = ("av_features", "unav100/av_features", "data/unav100/av_features")
SUBSETS: dict[Split, str] = {"train": "train", "val": "validation", "test": "test"}
SUFFIXES = {"vggish": "vggish", "i3d_rgb": "rgb", "i3d_flow": "flow"}
"""What the name of a stream's file ends in."""
WIDTHS = {"vggish": 128, "i3d_rgb": 1024, "i3d_flow": 1024}
FRAMES_PER_SECOND, FRAMES_PER_ROW, STRIDE = 25, 24, 8
"""Of the features."""
TOLERANCE = 1e-3
"""Seconds by which an event that is listed twice may differ."""


class UnAVEvent(msgspec.Struct):
    """An event in the file; times in seconds."""

    segment: tuple[float, float]
    label: str
    label_id: int


class UnAVVideo(msgspec.Struct):
    """A video in the file."""

    duration: float
    subset: str
    annotations: tuple[UnAVEvent, ...] = ()


class UnAVFile(msgspec.Struct):
    """The file of annotations."""

    database: dict[str, UnAVVideo]


@dataclass(frozen=True, kw_only=True)
class UnAVAnnotations:
    """What is annotated in the N videos of one split.

    Attributes:
        labels: the C class names, in the order of their `label_id`.
        videos: by id; their events are within them.
    """

    labels: tuple[str, ...]
    videos: Mapping[str, UnAVVideo]

    @property
    def events(self) -> list[ExactEvent]:
        """All events, those that are listed twice once.

        As in the released code, times that differ by a millisecond or less are the same.
        """
        column = {label: index for index, label in enumerate(self.labels)}
        found: list[ExactEvent] = []
        for row, video in enumerate(self.videos.values()):
            distinct: list[ExactEvent] = []
            for event in video.annotations:
                one = ExactEvent(row, column[event.label], *event.segment)
                if not any(_is_repeated(one, other) for other in distinct):
                    distinct.append(one)
            found += distinct
        return found


def _is_repeated(one: ExactEvent, other: ExactEvent) -> bool:
    """Whether two events of a video are of one class and, but for a millisecond, of one time."""
    return one.label == other.label and all(
        abs(x - y) <= TOLERANCE for x, y in ((one.start, other.start), (one.end, other.end))
    )


def read_unav(folder: Path | str, split: Split) -> UnAVAnnotations:
    """Read one split of a folder in the layout of UnAV-100, in the order of the file.

    Args:
        folder: the folder with the file, its `annotations/`, or that of the released code.
        split: `val` is called `validation` in the file.

    Raises:
        UserError: if the file is missing or of another form; one report of all times outside their
            video, unknown subsets, names that cannot be those of files, and classes whose number is
            not always the same.

    Example:
        >>> annotations = read_unav("UnAV-100", "test")  # doctest: +SKIP
        >>> len(annotations.videos), len(annotations.labels)  # doctest: +SKIP
        (2167, 100)
    """
    path = _find(Path(folder))
    database = read_json(path, UnAVFile, "the annotations of UnAV-100", LARGEST_FILE).database
    problems = Problems()
    number_of: dict[str, int] = {}
    for name, video in database.items():
        if not is_file_name(name):
            problems.add("names that cannot be those of files", repr(shorten(name)))
        if video.subset.lower() not in SUBSETS.values():
            problems.add("unknown subsets", f"{shorten(video.subset)!r} of {shorten(name)}")
        if not 0 < video.duration <= LONGEST:
            problems.add(
                "durations that are 0, negative or too long",
                f"{video.duration:g} s of {shorten(name)}",
            )
        for event in video.annotations:
            start, end = event.segment
            if not 0 <= start < end <= video.duration:
                times = f"{start:g}..{end:g} s in {video.duration:g} s of {shorten(name)}"
                problems.add("times that are not within their video", times)
            if number_of.setdefault(event.label, event.label_id) != event.label_id:
                problems.add("classes with several numbers", repr(shorten(event.label)))
    if sorted(number_of.values()) != list(range(len(number_of))):
        problems.add("numbers of classes that are not 0, 1, 2, …", f"{len(number_of)} classes")
    problems.raise_if_any(
        f"expected the annotations of UnAV-100 in {path}", "Take the file as it is distributed."
    )
    return UnAVAnnotations(
        labels=tuple(sorted(number_of, key=lambda label: number_of[label])),
        videos={n: v for n, v in database.items() if v.subset.lower() == SUBSETS[split]},
    )


def _find(folder: Path) -> Path:
    path = folder_of_files(folder, (ANNOTATIONS_FILE,), PLACES) / ANNOTATIONS_FILE
    if not path.is_file():
        raise UserError(
            f"expected {ANNOTATIONS_FILE} in {folder} or its annotations/, but there is none; the "
            "data set's page has it"
        )
    return path


class UnAVFeatures:
    """The published features, `<id>_rgb.npy`, `<id>_flow.npy` and `<id>_vggish.npy`, by second.

    All streams of a video are cut to the shortest, as in the released code.

    Args:
        folder: holds the files.

    Example:
        >>> UnAVFeatures(Path("av_features")).load("__2MwJ2uHu0")  # doctest: +SKIP
    """

    streams: Mapping[str, int] = WIDTHS

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def is_published(folder: Path) -> bool:
        """Whether a folder has such files."""
        return any(any(folder.glob(f"*_{suffix}.npy")) for suffix in SUFFIXES.values())

    def __contains__(self, video_id: object) -> bool:
        return isinstance(video_id, str) and all(
            self.path(name, video_id).is_file() for name in WIDTHS
        )

    def path(self, stream: str, video_id: str) -> Path:
        """Where one stream of one video is."""
        return self.folder / f"{video_id}_{SUFFIXES[stream]}.npy"

    def load(self, video_id: str, streams: Collection[str] | None = None) -> Features:
        """Load one video as float32 arrays (T, D); see `FeatureSource.load`.

        Raises:
            FeatureError: if files are missing, unreadable, of a wrong shape, or not finite.
        """
        rows: dict[str, Array] = {}
        faults: list[Fault] = []
        for name in choose_streams(self, streams):
            path = self.path(name, video_id)
            try:
                rows[name] = read_features(path)
            except FeatureError as error:
                faults += error.faults
                continue
            if rows[name].ndim != 2 or not len(rows[name]):
                where = f"{path}: {rows[name].shape} instead of (rows, {WIDTHS[name]})"
                faults.append(Fault(FaultKind.SHAPE, where))
        if not faults:
            shortest = min(map(len, rows.values()))
            features = {name: to_seconds(values[:shortest]) for name, values in rows.items()}
            faults = list(find_faults(video_id, features, WIDTHS))
        if faults:
            raise FeatureError(faults)
        return features

    def table(
        self, ids: Sequence[str], streams: Collection[str], progress: Progress | None = None
    ) -> FeatureTable:
        """Check many videos, and pack them for reading; see `FeatureSource.table`."""
        names = choose_streams(self, streams)
        paths = (self.path(name, video_id) for video_id in ids for name in names)
        return packed_table(self, ids, names, paths, progress)

    def describe(self) -> str:
        """The streams and the folder, on one line."""
        return f"published features {', '.join(WIDTHS)} in {self.folder}"


def to_seconds(row_RD: Array) -> Array:
    """Average rows of 24 frames, one every 8 frames of 25 per second, to seconds, (T, D).

    Example:
        >>> to_seconds(np.arange(5, dtype=np.float32)[:, None])[:, 0].tolist()
        [0.5, 3.0]
    """
    middle_R = STRIDE * np.arange(len(row_RD)) + FRAMES_PER_ROW // 2
    second_R = middle_R // FRAMES_PER_SECOND
    first_T = np.searchsorted(second_R, np.arange(second_R[-1] + 1))
    count_T = np.diff(first_T, append=len(row_RD))
    sums: Array = np.add.reduceat(row_RD, first_T, axis=0, dtype=np.float64)
    return (sums / count_T[:, None]).astype(np.float32)


class UnAVDataset(Dataset):
    """One split of UnAV-100: dense labels in all splits, each video of its own length.

    An event is heard and seen at once, so that both truths are the same.

    Args:
        annotations: the videos and their events.
        reader: the features; None opens the annotations alone.

    Example:
        >>> test = UnAVDataset(read_unav("UnAV-100", "test"))  # doctest: +SKIP
        >>> test.truth(test.ids[0])[Modality.AUDIO_VISUAL].shape  # doctest: +SKIP
        (39, 100)
    """

    def __init__(self, annotations: UnAVAnnotations, reader: ById | None = None) -> None:
        self.annotations, self.reader = annotations, reader
        self.labels, self.ids = annotations.labels, tuple(annotations.videos)
        self._row = {video_id: row for row, video_id in enumerate(self.ids)}
        durations = [video.duration for video in annotations.videos.values()]
        self._lengths: NDArray[np.int64] = (
            np.array([math.ceil(duration) for duration in durations], np.int64)
            if reader is None
            else reader.lengths
        )
        self.num_segments = int(self._lengths.max(initial=0))

    @classmethod
    def open(
        cls,
        data: Path,
        split: Split,
        streams: Streams | None = None,
        *,
        features: Path | None = None,
        supervision: Supervision = Supervision(),  # noqa: B008 - never changed
    ) -> UnAVDataset:
        """Open a split; see `mmpyramid.datasets.open_dataset`.

        Raises:
            UserError: also if labels of modalities or of teachers are given: events are heard and
                seen, at known times.
        """
        if supervision.refined:
            raise UserError(
                "modality-aware labels are for LLP and folders; the events of UnAV-100 are all "
                "heard and seen, so leave --refined out"
            )
        if supervision.segments:
            raise UserError(
                "pseudo labels of segments are for LLP and folders; the times of the events of "
                "UnAV-100 are known, so take a --strategy that needs no --segment-labels"
            )
        annotations = read_unav(data, split)
        if streams is None or not annotations.videos:
            return cls(annotations)
        source = open_unav(data, features)
        return cls(annotations, ById(source, tuple(annotations.videos), streams))

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Features and labels of some rows, as long as the longest of them."""
        import torch

        read = self.features.batch(rows)
        truth = np.zeros((*read.mask_BT.shape, len(self.labels)), np.float32)
        extent = np.zeros((*truth.shape, 2), np.float32)
        for place, row in enumerate(rows):
            mask_TC = self._mask_of(row)
            truth[place, : len(mask_TC)] = mask_TC
            self._measure(row, mask_TC, extent[place, : len(mask_TC)])
        truth_BTC = torch.from_numpy(truth)
        return replace(
            read,
            weak_BC=torch.from_numpy(self.weak[np.asarray(rows)]),
            audio_BTC=truth_BTC,
            visual_BTC=truth_BTC,
            extent_BTCX=torch.from_numpy(extent),
        )

    @cached_property
    def events(self) -> list[ExactEvent]:
        """Every event with its exact times."""
        return self.annotations.events

    @cached_property
    def weak(self) -> Array:
        """(N, C) float32, 1 where a class occurs in the video."""
        weak_NC = np.zeros((len(self), len(self.labels)), np.float32)
        for event in self.events:
            weak_NC[event.video, event.label] = 1
        return weak_NC

    @property
    def masks(self) -> tuple[Mask, Mask]:
        """Where the events are, (N, T, C), twice: they are heard and seen at once."""
        mask_NTC = np.zeros((len(self), self.num_segments, len(self.labels)), np.bool_)
        for row in range(len(self)):
            mask_TC = self._mask_of(row)
            mask_NTC[row, : len(mask_TC)] = mask_TC
        return mask_NTC, mask_NTC

    def truth(self, video_id: str) -> Mapping[Modality, Mask]:
        """Where the events of a video are."""
        return {Modality.AUDIO_VISUAL: self._mask_of(self._row[video_id])}

    def digest(self) -> dict[str, str]:
        """Of all annotations, and of the features of the first video."""
        return {
            "annotations": digest_of((self.labels, self.ids, self.events)),
            "features": digest_of(self.item(self.ids[0])),
        }

    def describe(self) -> str:
        """The number of videos and classes."""
        return f"{len(self)} videos of {len(self.labels)} classes in the layout of UnAV-100"

    def _measure(self, row: int, mask_TC: Mask, extent_TCX: Array) -> None:
        """Write how long the shortest event in each segment lasts before and after its middle."""
        middle_T = np.arange(len(mask_TC)) + 0.5
        column = {label: index for index, label in enumerate(self.labels)}
        events = self.annotations.videos[self.ids[row]].annotations
        for event in sorted(events, key=lambda each: each.segment[0] - each.segment[1]):
            (start, end), label = event.segment, column[event.label]
            is_in_T = mask_TC[:, label] & (start <= middle_T) & (middle_T <= end)
            extent_TCX[is_in_T, label, 0] = middle_T[is_in_T] - start
            extent_TCX[is_in_T, label, 1] = end - middle_T[is_in_T]

    def _mask_of(self, row: int) -> Mask:
        video, length = self.annotations.videos[self.ids[row]], int(self._lengths[row])
        events = tuple(
            Event(*event.segment, event.label, Modality.AUDIO_VISUAL) for event in video.annotations
        )
        timeline = Timeline(events=events, duration=video.duration, labels=self.labels)
        return rasterize(timeline, length)[0]


def open_unav(data: Path, features: Path | None = None) -> FeatureSource:
    """Find the features: those that are published, or a store of one's own.

    Args:
        data: the corpus folder.
        features: such files, or a store, elsewhere.

    Raises:
        UserError: if there are none.
    """
    places = [features] if features else [data / place for place in FEATURE_PLACES]
    for folder in places:
        if UnAVFeatures.is_published(folder):
            return UnAVFeatures(folder)
    return open_source(data, features)


register(
    Layout(
        name="UnAV-100",
        files=tuple(f"{place}{ANNOTATIONS_FILE}" for place in PLACES[:3]),
        open=UnAVDataset.open,
        features=open_unav,
    )
)

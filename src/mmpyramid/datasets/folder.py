"""A folder of one's own videos: features, and annotations in any format that is read.

    mine/features/            a store by `mmpyramid extract`, or a folder of .npy files per stream
    mine/annotations/         a file for each video, called as it is: clip.eaf, clip.csv, clip.txt …
    mine/annotations.csv      or one table: video, label, and modality, onset, offset, split
    mine/labels.txt           the classes in order; without it, all labels that occur, sorted
    mine/splits.csv           video and split; or train.txt, val.txt, test.txt, a video a line

Without a column `split` and without files of splits, a tenth of the videos is `val` and another
`test`, chosen by a hash of their ids, so that videos that are added later move few others.
An event without a modality is heard and seen. Rows without times are weak labels.

Shape letters: N videos, B batch, T segments, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Modality, Timeline
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.runs import Mask, by_modality, rasterize
from mmpyramid.core.text import read_bytes
from mmpyramid.datasets.base import Dataset, Layout, Split, Supervision, digest_of, register
from mmpyramid.datasets.features import ById, open_source
from mmpyramid.datasets.folder_files import BOTH, FOLDER, TABLES, Video, read_folder, split_of
from mmpyramid.datasets.refined import read_refined
from mmpyramid.datasets.segment_labels import SegmentTargets
from mmpyramid.store.source import FeatureSource

TOLERANCE_S = 0.5
"""How much longer than its features an event may last: the last segment is often cut off."""


class FolderDataset(Dataset):
    """One split of a folder of one's own videos, each of its own length.

    Batches are as long as the longest video in them.

    Args:
        videos: by id.
        labels: the C class names.
        reader: the features; None opens the annotations alone.
        supervision: a file of modality-aware labels, if there is one.

    Raises:
        UserError: one report of all events beyond the end of their video.

    Example:
        >>> test = FolderDataset.open(Path("mine"), "test")  # doctest: +SKIP
        >>> test.truth(test.ids[0])[Modality.AUDIO].shape  # doctest: +SKIP
        (34, 3)
    """

    def __init__(
        self,
        videos: Mapping[str, Video],
        labels: Sequence[str],
        reader: ById | None = None,
        supervision: Supervision = Supervision(),  # noqa: B008 - never changed
    ) -> None:
        self.labels, self.ids, self.reader = tuple(labels), tuple(videos), reader
        self._videos, self._row = videos, {video_id: row for row, video_id in enumerate(videos)}
        untimed = (where for video in videos.values() for _, _, where in video.weak)
        self._untimed = next(untimed, None)
        """Where the first label without times is."""
        self._lengths = _lengths(videos) if reader is None else reader.lengths
        self.num_segments = int(self._lengths.max(initial=0))
        self.may_be_longer = reader is None
        if reader is not None:
            check_ends(videos, self._lengths)
        modality_NMC, is_stated = _weak_labels(videos, self.labels)
        self._weak_NC: Array = modality_NMC.max(axis=1)
        self.modality_NMC = modality_NMC if is_stated else None
        self._refined = None
        if supervision.refined:
            self.modality_NMC = read_refined(supervision.refined, self)
            self._refined = digest_of(read_bytes(supervision.refined))
        self.segments = None
        if supervision.segments:
            self.segments = SegmentTargets(
                supervision.segments, self.ids, self._weak_NC, self.labels
            )

    @classmethod
    def open(
        cls,
        data: Path,
        split: Split,
        streams: Streams | None = None,
        *,
        features: Path | None = None,
        supervision: Supervision = Supervision(),  # noqa: B008 - never changed
    ) -> FolderDataset:
        """Open a split; see `mmpyramid.datasets.open_dataset`."""
        if split != "train":
            supervision = Supervision()
        everything, labels = read_folder(data)
        videos = {name: everything[name] for name in split_of(data, everything)[split]}
        if streams is None or not videos:
            return cls(videos, labels, None, supervision)
        source = open_source(data, features)
        _check_features(videos, source)
        return cls(videos, labels, ById(source, tuple(videos), streams), supervision)

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Features and labels of some rows."""
        import torch

        read = self.features.batch(rows)
        index, modality_NMC = np.asarray(rows), self.modality_NMC
        audio_BTC = visual_BTC = None
        if self._untimed is None:
            masks = np.zeros((2, *read.mask_BT.shape, len(self.labels)), np.float32)
            for place, row in enumerate(rows):
                for side, mask_TC in zip(masks, self._masks_of(row), strict=True):
                    side[place, : len(mask_TC)] = mask_TC
            audio_BTC, visual_BTC = map(torch.from_numpy, masks)
        batch = replace(
            read,
            weak_BC=torch.from_numpy(self._weak_NC[index]),
            audio_BTC=audio_BTC,
            visual_BTC=visual_BTC,
            modality_BMC=None if modality_NMC is None else torch.from_numpy(modality_NMC[index]),
        )
        return batch if self.segments is None else self.segments.added_to(batch, rows)

    @property
    def weak(self) -> Array:
        """(N, C) float32, 1 where a class is heard or seen anywhere in the video."""
        return self._weak_NC

    @property
    def masks(self) -> tuple[Mask, Mask]:
        """What is heard and what is seen, two (N, T, C)."""
        self._check_dense()
        masks = np.zeros((2, len(self), self.num_segments, len(self.labels)), np.bool_)
        for row in range(len(self)):
            for side, mask_TC in zip(masks, self._masks_of(row), strict=True):
                side[row, : len(mask_TC)] = mask_TC
        return masks[0], masks[1]

    def truth(self, video_id: str) -> Mapping[Modality, Mask]:
        """What is heard, what is seen, and where both are."""
        self._check_dense()
        return by_modality(*self._masks_of(self._row[video_id]))

    def digest(self) -> dict[str, str]:
        """Of all annotations, and of the features of the first video."""
        known = [
            (name, [event for event, _ in video.events], [weak[:2] for weak in video.weak])
            for name, video in self._videos.items()
        ]
        found = {
            "annotations": digest_of((self.labels, known)),
            "features": digest_of(self.item(self.ids[0])),
        }
        if self.segments is not None:
            found["segments"] = self.segments.digest
        return found if self._refined is None else {**found, "refined": self._refined}

    def describe(self) -> str:
        """The number of videos and classes."""
        return f"{len(self)} videos of {len(self.labels)} classes in a folder"

    def _check_dense(self) -> None:
        if self._untimed is not None:
            raise UserError(
                "expected a split with dense labels, but it has labels without times, the first "
                f"at {self._untimed}; give the onset and offset of every event to validate and "
                "to measure, or put the video into the training split"
            )

    def _masks_of(self, row: int) -> tuple[Mask, Mask]:
        """What is heard and what is seen in one video, (T, C) each at its own length."""
        length = int(self._lengths[row])
        events = tuple(event for event, _ in self._videos[self.ids[row]].events)
        timeline = Timeline(
            events=tuple(replace(e, end=min(e.end, float(length))) for e in events),
            duration=float(length),
            labels=self.labels,
        )
        return rasterize(timeline, length)


def _weak_labels(videos: Mapping[str, Video], labels: Sequence[str]) -> tuple[Array, bool]:
    """(N, M, C) which classes are heard and seen in each video; whether that is ever stated."""
    column = {label: index for index, label in enumerate(labels)}
    modality_NMC = np.zeros((len(videos), 2, len(labels)), np.float32)
    stated = False
    for row, video in enumerate(videos.values()):
        for label, modality, _ in video.occurring:
            stated |= modality is not BOTH
            for index, side in enumerate((Modality.AUDIO, Modality.VISUAL)):
                if modality in (side, BOTH):
                    modality_NMC[row, index, column[label]] = 1
    return modality_NMC, stated


def _lengths(videos: Mapping[str, Video]) -> NDArray[np.int64]:
    """(N,) segments up to the last event, where the features are not open."""
    ends = [max((e.end for e, _ in video.events), default=0.0) for video in videos.values()]
    return np.array([math.ceil(end) for end in ends], np.int64)


def check_ends(videos: Mapping[str, Video], lengths: NDArray[np.int64]) -> None:
    """Check that no event lasts beyond its video.

    Args:
        videos: what is annotated in N videos.
        lengths: (N,) their segments.

    Raises:
        UserError: one report of all that do.
    """
    problems = Problems()
    for (name, video), length in zip(videos.items(), lengths.tolist(), strict=True):
        for event, where in video.events:
            if event.end > length + TOLERANCE_S or event.start >= length:
                span = f"{event.start:g}..{event.end:g} s of {length} s of {name}"
                problems.add("events beyond the end of their video", f"{span} at {where}")
    problems.raise_if_any(
        "expected events within their videos",
        "Correct the times, which are seconds, or extract features of the whole video.",
    )


def _check_features(videos: Mapping[str, Video], source: FeatureSource) -> None:
    problems = Problems()
    for name, video in videos.items():
        if name not in source:
            problems.add("videos without features", f"{name} at {video.where}")
    problems.raise_if_any(
        f"expected features of every video from {source.describe()}",
        "Extract them (`mmpyramid extract VIDEOS --out FEATURES`), or correct the name: that of "
        "the video's file without its suffix.",
    )


register(Layout(name="folder", files=(FOLDER, *TABLES), open=FolderDataset.open, is_general=True))

"""One immutable HDF5 file with the features of some videos.

Layout: `videos` (N,) holds a JSON text per video (id, duration, missing modalities, notes); for
every stream, `rows/<stream>` (sum of T, ..., D) holds the segments of all videos one after the
other, and `offsets/<stream>` (N + 1,) where each video begins. A video without a stream has no rows
in it. Long runs of rows make a file of ten-second videos as fast as one big array. The attribute
`sealed` says that a checksum of the file follows (`mmpyramid.core.seal`); files of earlier versions
have none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any

import h5py
import msgspec
import numpy as np

from mmpyramid.core import Array, Features, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.seal import DamagedFileError, seal, verify
from mmpyramid.core.timeline import LONGEST
from mmpyramid.core.typed import from_json
from mmpyramid.store.hdf5 import RowFile

logger = logging.getLogger(__name__)

VERIFIED_AT_ONCE = 4 * 2**20
"""Bytes of a file that is compared with its checksum when it is opened, not when it is read."""
PACKED_AT_MOST = 1000
"""How much smaller deflate makes a file at best."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known about a video besides its features.

    Attributes:
        duration: seconds.
        missing: the modalities that the file does not have.
        notes: what a reader should know, for instance that the file is damaged after some second.
        frame_rate: pictures per second as a timeline has it; stores do not keep it.
    """

    duration: float
    missing: tuple[Modality, ...] = ()
    notes: tuple[str, ...] = ()
    frame_rate: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extracted(VideoInfo):
    """The features of one video, (T, ..., D) by stream, and what is known about it."""

    features: Features = field(default_factory=dict)


def encode_shard(videos: Mapping[str, Extracted]) -> bytes:
    """The bytes of an HDF5 file with these videos by id.

    The file is made in memory, so that a full disk is an ordinary error of writing bytes and never
    leaves an HDF5 library with a file that it cannot close.
    """
    streams = sorted({name for video in videos.values() for name in video.features})
    with h5py.File("shard", "w", driver="core", backing_store=False) as file:
        file.attrs["sealed"] = True
        file["videos"] = [_describe(video_id, video) for video_id, video in videos.items()]
        offsets, rows = file.create_group("offsets"), file.create_group("rows")
        for name in streams:
            arrays = [video.features.get(name) for video in videos.values()]
            lengths = [0 if array is None else len(array) for array in arrays]
            offsets[name] = np.cumsum([0, *lengths])
            rows[name] = np.concatenate([a for a in arrays if a is not None])
        file.flush()
        image: bytes = file.id.get_file_image()
    return seal(image)


class VideoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a shard says of a video, as JSON."""

    id: str
    duration: Annotated[float, msgspec.Meta(ge=0, le=LONGEST)]
    missing: tuple[Modality, ...]
    notes: tuple[str, ...]


class Shard:
    """Reads one file that `encode_shard` made.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        UserError: if it is not such a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.stat().st_size <= VERIFIED_AT_ONCE:  # The HDF5 library may hang on damage.
                verify(path, sealed=False)
            # Shards never change, so there is nothing to lock; some network disks cannot.
            self._file: Any = h5py.File(str(path), "r", locking=False)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise _unusable(path, error) from error
        try:
            self.sealed = bool(self._file.attrs.get("sealed", False))
            records = [
                from_json(text, VideoRecord, "what is known of a video")
                for text in _inner(self._file, "videos").asstr()[:]
            ]
            self._offsets = {
                name: np.asarray(_inner(self._file, f"offsets/{name}")[:])
                for name in self._file["offsets"]
            }
            self._rows = {name: _inner(self._file, f"rows/{name}") for name in self._file["rows"]}
            self._check(len(records))
        # The HDF5 library reports damage by nearly every kind of exception.
        except Exception as error:
            self._file.close()
            raise _unusable(path, error) from error
        self.ids = tuple(record.id for record in records)
        self._infos = [
            VideoInfo(duration=record.duration, missing=record.missing, notes=record.notes)
            for record in records
        ]
        self._index = {video_id: index for index, video_id in enumerate(self.ids)}

    def _check(self, num_videos: int) -> None:
        """Check that videos, offsets and rows fit each other.

        Raises:
            ValueError: if they do not.
        """
        if self._offsets.keys() != self._rows.keys():
            raise ValueError("it has other streams of rows than of offsets")
        for name, rows in self._rows.items():
            offsets = self._offsets[name]
            fits = offsets.shape == (num_videos + 1,) and offsets.dtype.kind in "iu"
            if not fits or offsets[0] != 0 or (np.diff(offsets) < 0).any():
                raise ValueError(f"the offsets of {name} are not those of {num_videos} videos")
            if rows.ndim < 2 or rows.dtype != np.float32 or len(rows) != offsets[-1]:
                raise ValueError(f"{name} is {rows.dtype} {rows.shape}, not {offsets[-1]} rows")

    def verify(self) -> None:
        """Compare the file with its checksum, if it has one; a process does so once.

        Raises:
            UserError: if it is damaged.
        """
        try:
            if not verify(self.path, sealed=self.sealed):
                folder = self.path.parent
                note_unsealed(folder.parent if folder.name == "pending" else folder)
        except DamagedFileError as error:
            raise _unusable(self.path, error) from error

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def info(self, video_id: str) -> VideoInfo:
        """What is known about a video besides its features."""
        return self._infos[self._index[video_id]]

    def rows(self, video_id: str) -> dict[str, tuple[RowFile, int, int]]:
        """Where the features of a video lie: a file, and the rows [start, stop), by stream."""
        index = self._index[video_id]
        return {
            name: (self._files[name], int(offsets[index]), int(offsets[index + 1]))
            for name, offsets in self._offsets.items()
        }

    @cached_property
    def _files(self) -> dict[str, RowFile]:
        return {
            name: RowFile.of(self.path, rows, sealed=self.sealed)
            for name, rows in self._rows.items()
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape (..., D) of one segment by stream."""
        return {name: rows.shape[1:] for name, rows in self._rows.items()}

    def features(self, video_id: str, streams: Collection[str] | None = None) -> dict[str, Array]:
        """The features of a video, of the streams that it has.

        Raises:
            UserError: if the file is damaged.
        """
        self.verify()
        index = self._index[video_id]
        features = {}
        for name, offsets in self._offsets.items():
            start, stop = offsets[index : index + 2]
            if start < stop and (streams is None or name in streams):
                features[name] = self._rows[name][start:stop]
        return features

    def videos(self) -> dict[str, Extracted]:
        """Everything in the file."""
        return {
            video_id: Extracted(**vars(self.info(video_id)), features=self.features(video_id))
            for video_id in self.ids
        }


def _inner(file: Any, name: str) -> Any:
    """A dataset of the file itself, no larger than the file can hold.

    Raises:
        ValueError: if it is elsewhere, or claims to be larger.
    """
    library: Any = h5py  # Its stubs lack the links.
    dataset = file.get(name)
    link = file.get(name, getlink=True)
    if not isinstance(link, library.HardLink) or not isinstance(dataset, library.Dataset):
        raise ValueError(f"{name} is no array of this file")
    if dataset.external is not None or dataset.is_virtual:
        raise ValueError(f"{name} is in another file")
    packed = PACKED_AT_MOST if dataset.chunks is not None else 1
    if dataset.size * dataset.dtype.itemsize > packed * file.id.get_filesize():
        raise ValueError(f"{name} claims to be larger than the file")
    return dataset


@cache
def note_unsealed(folder: Path) -> None:
    """Say, once for a folder, that rot would not be found."""
    logger.warning(
        "%s has features of an earlier version, without checksums: damage to them is not found; "
        "`mmpyramid store export` and `store import` make a store that has them",
        folder,
    )


def _unusable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"expected a file of features in {path}, but reading failed with: {error}. Delete "
        f"the file and run the extraction again: it redoes only these videos."
    )


def _describe(video_id: str, info: VideoInfo) -> str:
    # ASCII, so that ids from file names that are not valid UTF-8 survive as well.
    return json.dumps(
        {
            "id": video_id,
            "duration": info.duration,
            "missing": info.missing,
            "notes": info.notes,
        }
    )

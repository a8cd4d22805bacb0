"""One immutable file with the features of some videos, all of it under checksums.

Layout: an HDF5 file, for any other program: `videos` (N,) holds a JSON text per video (id,
duration, missing modalities, notes); for every stream, `rows/<stream>` (sum of T, ..., D) holds the
segments of all videos one after the other, and `offsets/<stream>` (N + 1,) where each video begins.
A video without a stream has no rows in it. Long runs of rows make a file of ten-second videos as
fast as one big array.

After it stands what this package reads: an index, which is JSON and says all of that again and
where in the file the rows lie, and 56 bytes with the length of the index and two checksums, of the
index and of everything before. So a damaged file is found before anything interprets its bytes, and
many shards are opened without reading their rows. The checksums are XXH3, several times as fast as
SHA-256: they find rot, and nobody is kept from making a file with other content.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Mapping
from io import BufferedReader
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import DamagedFileError, compare_once, damaged, digest_of, open_regular
from mmpyramid.core.scores import Extracted, VideoInfo
from mmpyramid.core.text import from_json, shorten
from mmpyramid.core.timeline import LONGEST
from mmpyramid.store.hdf5 import RowFile

MARK = b"mmpyramid shard2"
END = struct.Struct("<16sQ16s16s")
"""The mark, the length of the index, its checksum, and that of everything before the last one."""

ITEM = np.dtype("<f4")

MOST_AXES = 8
"""That rows of features have, (T, ..., D)."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**48)]


class VideoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a shard says of a video, as JSON."""

    id: str
    duration: Annotated[float, msgspec.Meta(ge=0, le=LONGEST)]
    missing: tuple[Modality, ...]
    notes: tuple[str, ...]


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rows of a stream lie: their first byte, their shape, and where videos begin."""

    offset: Count
    shape: tuple[Count, ...]
    begins: tuple[Count, ...]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a shard when it is opened."""

    videos: tuple[VideoRecord, ...]
    streams: dict[str, StreamRecord]


def encode_shard(videos: Mapping[str, Extracted]) -> bytes:
    """The bytes of a file with these videos by id.

    The file is made in memory, so that a full disk is an ordinary error of writing bytes and never
    leaves an HDF5 library with a file that it cannot close.
    """
    import h5py  # Takes a while to load, and most commands write no store.

    names = sorted({name for video in videos.values() for name in video.features})
    described = [_describe(video_id, video) for video_id, video in videos.items()]
    streams = {}
    with h5py.File("shard", "w", driver="core", backing_store=False) as file:
        file["videos"] = [json.dumps(video) for video in described]
        offsets, rows = file.create_group("offsets"), file.create_group("rows")
        for name in names:
            arrays = [video.features.get(name) for video in videos.values()]
            begins = np.cumsum([0, *(0 if array is None else len(array) for array in arrays)])
            joined = np.concatenate([a for a in arrays if a is not None]).astype(ITEM, copy=False)
            offsets[name], rows[name] = begins, joined
            streams[name] = {"shape": joined.shape, "begins": begins.tolist()}
        file.flush()
        for name, stream in streams.items():
            stream["offset"] = rows[name].id.get_offset() or 0  # None where there are no rows.
        image: bytes = file.id.get_file_image()
    index = json.dumps({"videos": described, "streams": streams}).encode()
    end = END.pack(MARK, len(index), xxhash.xxh3_128_digest(index), bytes(16))[:-16]
    content = b"".join((image, index, end))
    return content + xxhash.xxh3_128_digest(content)


def _describe(video_id: str, info: VideoInfo) -> dict[str, object]:
    return {
        "id": video_id,
        "duration": info.duration,
        "missing": info.missing,
        "notes": info.notes,
    }


StreamRuns: TypeAlias = dict[str, tuple[RowFile, NDArray[np.int64]]]
"""By stream: the rows of several videos, and where each begins, with the end at the end."""


class Shard:
    """Reads one file that `encode_shard` made.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        UserError: if it is not such a file, or its index is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            index = _read_index(path)
        except FileNotFoundError:
            raise
        except (UserError, OSError, ValueError) as error:
            raise _unusable(path, error) from error
        self.ids = tuple(record.id for record in index.videos)
        self._infos = [
            VideoInfo(duration=record.duration, missing=record.missing, notes=record.notes)
            for record in index.videos
        ]
        self._places = {video_id: place for place, video_id in enumerate(self.ids)}
        self._streams = index.streams
        self._files = {
            name: RowFile(
                path=path, shape=stream.shape, dtype=ITEM, offset=stream.offset, check=verify_shard
            )
            for name, stream in index.streams.items()
        }

    def info(self, video_id: str) -> VideoInfo:
        """What is known about a video besides its features."""
        return self._infos[self._places[video_id]]

    def rows(self, video_id: str) -> dict[str, tuple[RowFile, int, int]]:
        """Where the features of a video lie: a file, and the rows [start, stop), by stream."""
        place = self._places[video_id]
        return {
            name: (self._files[name], stream.begins[place], stream.begins[place + 1])
            for name, stream in self._streams.items()
        }

    @property
    def runs(self) -> StreamRuns:
        """The rows of all videos, one after the other, and where each begins, by stream."""
        return {
            name: (self._files[name], np.array(stream.begins))
            for name, stream in self._streams.items()
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape (..., D) of one segment by stream."""
        return {name: stream.shape[1:] for name, stream in self._streams.items()}

    def features(self, video_id: str, streams: Collection[str] | None = None) -> dict[str, Array]:
        """The features of a video, of the streams that it has.

        Raises:
            UserError: if the file is damaged.
        """
        features = {}
        for name, (file, start, stop) in self.rows(video_id).items():
            if start < stop and (streams is None or name in streams):
                with file.opened() as stored:
                    features[name] = np.array(stored[start:stop], np.float32)
        return features

    def videos(self) -> dict[str, Extracted]:
        """Everything in the file."""
        return {
            video_id: Extracted(**vars(self.info(video_id)), features=self.features(video_id))
            for video_id in self.ids
        }


def verify_shard(path: Path) -> None:
    """Compare a whole file with its checksum, at the first call of a process.

    Raises:
        UserError: if it is damaged.
        OSError: if it cannot be read.
    """

    def compare(file: BufferedReader, size: int) -> None:
        whole = digest_of(file, size - 16, xxhash.xxh3_128())
        if whole != file.read(16):
            raise damaged(path)

    try:
        compare_once(path, compare)
    except DamagedFileError as error:
        raise _unusable(path, error) from error


def _read_index(path: Path) -> Index:
    """The index of a file, which fits the file.

    Raises:
        UserError, ValueError: if there is none, or it does not.
        OSError: if the file cannot be read.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(max(size - END.size, 0))
        end = file.read()
        if len(end) < END.size or not end.startswith(MARK):
            raise ValueError("it does not end as such files do: it was cut off or damaged")
        _, length, digest, _ = END.unpack(end)
        num_bytes = size - END.size - length
        if num_bytes < 0:
            raise damaged(path)
        file.seek(num_bytes)
        text = file.read(length)
    if xxhash.xxh3_128_digest(text) != digest:
        raise damaged(path)
    index = from_json(text.decode(), Index, "the index of a file of features")
    if len({record.id for record in index.videos}) < len(index.videos):
        raise ValueError("it has a video twice")
    for name, stream in index.streams.items():
        begins = stream.begins
        fits = len(begins) == len(index.videos) + 1 and begins[0] == 0
        if not fits or any(start > stop for start, stop in pairwise(begins)):
            raise ValueError(f"the rows of {name} are not those of {len(index.videos)} videos")
        is_array = 2 <= len(stream.shape) <= MOST_AXES and 0 not in stream.shape[1:]
        if not is_array or stream.shape[0] != begins[-1]:
            raise ValueError(
                f"{name} has the shape {shorten(str(stream.shape))}, not {begins[-1]} rows"
            )
        if stream.offset + prod(stream.shape) * ITEM.itemsize > num_bytes:
            raise ValueError(f"{name} claims to be larger than the file")
    return index


def _unusable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"expected a file of features in {path}, but reading failed with: {error}. Delete "
        f"the file and run the extraction again: it redoes only these videos."
    )

"""One immutable HDF5 file with the features of some videos.

Layout: `videos` (N,) holds a JSON text per video (id, duration, missing modalities, notes); for
every stream, `rows/<stream>` (sum of T, ..., D) holds the segments of all videos one after the
other, and `offsets/<stream>` (N + 1,) where each video begins. A video without a stream has no rows
in it. Long runs of rows make a file of ten-second videos as fast as one big array.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from mmpyramid.core import Array, Features, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.store.hdf5 import RowFile


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known about a video besides its features.

    Attributes:
        duration: seconds.
        missing: the modalities that the file does not have.
        notes: what a reader should know, for instance that the file is damaged after some second.
    """

    duration: float
    missing: tuple[Modality, ...] = ()
    notes: tuple[str, ...] = ()


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
        file["videos"] = [_describe(video_id, video) for video_id, video in videos.items()]
        offsets, rows = file.create_group("offsets"), file.create_group("rows")
        for name in streams:
            arrays = [video.features.get(name) for video in videos.values()]
            lengths = [0 if array is None else len(array) for array in arrays]
            offsets[name] = np.cumsum([0, *lengths])
            rows[name] = np.concatenate([a for a in arrays if a is not None])
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


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
            # Shards never change, so there is nothing to lock; some network disks cannot.
            self._file = h5py.File(str(path), "r", locking=False)
            described = [json.loads(text) for text in self._file["videos"].asstr()[:]]
            self._offsets = {name: data[:] for name, data in self._file["offsets"].items()}
            self._rows = dict(self._file["rows"].items())
        except FileNotFoundError:
            raise
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"expected a file of features in {path}, but reading failed with: {error}. Delete "
                f"the file and run the extraction again: it redoes only these videos."
            ) from error
        self.ids = tuple(video["id"] for video in described)
        self._infos = [
            VideoInfo(
                duration=video["duration"],
                missing=tuple(Modality(name) for name in video["missing"]),
                notes=tuple(video["notes"]),
            )
            for video in described
        ]
        self._index = {video_id: index for index, video_id in enumerate(self.ids)}

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
        return {name: RowFile.of(self.path, rows) for name, rows in self._rows.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape (..., D) of one segment by stream."""
        return {name: rows.shape[1:] for name, rows in self._rows.items()}

    def features(self, video_id: str, streams: Collection[str] | None = None) -> dict[str, Array]:
        """The features of a video, of the streams that it has."""
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

"""Reads the features of LLP as they are published: one folder per stream, one `.npy` per video.

Source: the feature archive of Tian et al., ECCV 2020, unpacked: `feats/vggish/<id>.npy` (T, 128),
`feats/res152/<id>.npy` (8T, 2048) and `feats/r2plus1d_18/<id>.npy` (T, 512), with T = 10.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Features, Progress
from mmpyramid.core.batch import per_segment
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.store.mapped import FeatureTable, packed_table
from mmpyramid.store.source import (
    NUMBERS,
    Fault,
    FaultKind,
    FeatureError,
    choose_streams,
    find_faults,
)

FOLDERS = {"vggish": "vggish", "resnet152": "res152", "r2plus1d_18": "r2plus1d_18"}
DIMS = {"vggish": 128, "resnet152": 2048, "r2plus1d_18": 512}
PER_FRAME = "resnet152"
FRAMES_PER_SEGMENT = 8
LONGEST_HEADER = 2**16
"""Bytes; NumPy itself refuses more than 10,000."""


class NpyFolder:
    """The published layout as a feature source.

    `resnet152` may be stored per frame, (8T, 2048), or pooled, (T, 2048). Frames are pooled on
    reading, by their mean: networks project frames with an affine map before they average each
    second, and the mean commutes with an affine map, so nothing changes but the size.

    Args:
        folder: `feats` itself, or the folder that holds it.
        streams: which of `vggish`, `resnet152` and `r2plus1d_18` to read.
        num_segments: T, if all videos have the same; any other length is then a wrong shape. None
            takes T from the other streams of each video. Where `resnet152` stands alone, it is read
            as published, 8 rows per segment.

    Raises:
        UserError: if a stream is unknown or its folder does not exist.

    Example:
        >>> NpyFolder("data", num_segments=10).load("BjCEufrlXm4")  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: Path | str,
        streams: Collection[str] = tuple(FOLDERS),
        num_segments: int | None = None,
    ) -> None:
        folder = Path(folder)
        self.folder = folder / "feats" if (folder / "feats").is_dir() else folder
        unknown = [name for name in streams if name not in FOLDERS]
        if unknown:
            raise UserError(
                f"expected streams out of {', '.join(FOLDERS)}, got {', '.join(unknown)}"
            )
        self._dims = {name: DIMS[name] for name in streams}
        self._num_segments = num_segments
        absent = [FOLDERS[name] for name in streams if not (self.folder / FOLDERS[name]).is_dir()]
        if absent:
            raise UserError(
                f"expected the folders {', '.join(FOLDERS[name] for name in streams)} in "
                f"{self.folder}, but found no {', '.join(absent)}; name the folder where the "
                f"published feature archive was unpacked"
            )

    @staticmethod
    def is_published(folder: Path | str) -> bool:
        """Whether a folder, or its `feats`, has at least one of the published folders."""
        places = (Path(folder), Path(folder) / "feats")
        return any((place / name).is_dir() for place in places for name in FOLDERS.values())

    @property
    def streams(self) -> Mapping[str, int]:
        """The width D of every stream by name."""
        return self._dims

    def __contains__(self, video_id: object) -> bool:
        return isinstance(video_id, str) and all(
            self.path(name, video_id).is_file() for name in self._dims
        )

    def path(self, stream: str, video_id: str) -> Path:
        """Where the published layout keeps one stream of one video."""
        return self.folder / FOLDERS[stream] / f"{video_id}.npy"

    def load(self, video_id: str, streams: Collection[str] | None = None) -> Features:
        """Load one video as float32 arrays (T, D); see `FeatureSource.load`.

        Raises:
            FeatureError: if files are missing, unreadable, of a wrong shape, or not finite.
        """
        names = choose_streams(self, streams)
        features: dict[str, Array] = {}
        faults: list[Fault] = []
        for name in names:
            try:
                features[name] = read_features(self.path(name, video_id))
            except FeatureError as error:
                faults += error.faults
        num_segments = self._length(video_id, names, features)
        if num_segments and PER_FRAME in features:
            features[PER_FRAME] = _pool_frames(features[PER_FRAME], num_segments)
        faults += find_faults(video_id, features, self._dims, num_segments)
        if faults:
            raise FeatureError(faults)
        return features

    def table(
        self, ids: Sequence[str], streams: Collection[str], progress: Progress | None = None
    ) -> FeatureTable:
        """Check many videos, and pack them for reading; see `FeatureSource.table`."""
        names = choose_streams(self, streams)
        paths = (self.path(name, video_id) for video_id in ids for name in self._dims)
        return packed_table(self, ids, names, paths, progress)

    def describe(self) -> str:
        """The streams and the folder, on one line."""
        return f"published features {', '.join(self._dims)} in {self.folder}"

    def _length(self, video_id: str, names: Collection[str], features: Features) -> int | None:
        """T of one video; None if what was read does not tell it."""
        if self._num_segments is not None:
            return self._num_segments
        per_segment = [name for name in DIMS if name != PER_FRAME]
        for name in per_segment:
            if name in features:
                return len(features[name])
        for name in per_segment:
            if name not in names and self.path(name, video_id).is_file():
                return len(read_features(self.path(name, video_id)))
        return len(features[PER_FRAME]) // FRAMES_PER_SEGMENT if PER_FRAME in features else None


class StreamFolders:
    """A folder of `<id>.npy` files for each stream, of any streams, as a feature source.

    Streams with several rows per segment are averaged to one. A video may lack streams.

    Args:
        folder: holds the folders, called as the streams.

    Raises:
        UserError: if a stream has no array (T, ..., D) to take its width from.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._dims: dict[str, int] = {}
        for place in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            if (first := next(iter(sorted(place.glob("*.npy"))), None)) is not None:
                array = read_features(first)
                if array.ndim < 2:
                    raise UserError(f"expected arrays (T, ..., D), got {array.shape} in {first}")
                self._dims[place.name] = array.shape[-1]

    @staticmethod
    def has_some(folder: Path | str) -> bool:
        """Whether a folder has folders of .npy files."""
        return any(Path(folder).glob("*/*.npy"))

    @property
    def streams(self) -> Mapping[str, int]:
        """The width D of every stream by name."""
        return self._dims

    def __contains__(self, video_id: object) -> bool:
        return isinstance(video_id, str) and any(
            self.path(name, video_id).is_file() for name in self._dims
        )

    def path(self, stream: str, video_id: str) -> Path:
        """Where one stream of one video is."""
        return self.folder / stream / f"{video_id}.npy"

    def load(self, video_id: str, streams: Collection[str] | None = None) -> Features:
        """Load one video as float32 arrays (T, ..., D); see `FeatureSource.load`.

        Raises:
            FeatureError: if no file is there, or files are unreadable, of a wrong shape, or not
                finite.
        """
        features: dict[str, Array] = {}
        faults: list[Fault] = []
        for name in choose_streams(self, streams):
            try:
                features[name] = read_features(self.path(name, video_id))
            except FeatureError as error:
                faults += [one for one in error.faults if one.kind is not FaultKind.MISSING]
        if not features and not faults:
            faults.append(Fault(FaultKind.MISSING, f"{video_id} in {self.folder}"))
        num_segments = min((len(array) for array in features.values() if array.ndim), default=0)
        for name, array in features.items():
            if array.ndim > 1 and num_segments and len(array) % num_segments == 0:
                features[name] = per_segment(name, array, num_segments)
        faults += find_faults(video_id, features, self._dims, num_segments)
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
        return f"features {', '.join(self._dims)} in {self.folder}"


def read_features(path: Path) -> Array:
    """Read one `.npy` file as float32, without running pickled code.

    Raises:
        FeatureError: if it is missing or damaged, or holds no numbers.
    """
    stored = read_array(path)
    if stored.dtype.kind not in NUMBERS:
        where = f"{path}: expected numbers, got {stored.dtype}"
        raise FeatureError([Fault(FaultKind.UNREADABLE, where)])
    with np.errstate(over="ignore"):  # What is too large is reported as infinite.
        return stored.astype(np.float32, copy=False)


def read_array(path: Path) -> NDArray[Any]:
    """Read one `.npy` file as it is stored, without running pickled code.

    Raises:
        FeatureError: if it is missing, damaged, or no regular file.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("expected a file, got a folder, a pipe or a device")
        with path.open("rb", buffering=0) as file:
            return _read_array(file)
    except FileNotFoundError as error:
        raise FeatureError([Fault(FaultKind.MISSING, str(path))]) from error
    # numpy parses headers as Python, and reports damage by nearly every kind of exception.
    except Exception as error:
        where = f"{path}: {shorten(str(error), 200)}"
        raise FeatureError([Fault(FaultKind.UNREADABLE, where)]) from error


def _read_array(file: FileIO) -> NDArray[Any]:
    """What `numpy.load` does, but a header is parsed once: all files of a stream have the same.

    Raises:
        ValueError: if it is no such file, or holds less than its header claims.
    """
    version, _ = np.lib.format.read_magic(file)
    length = file.read(2 if version == 1 else 4)
    header = length + file.read(min(int.from_bytes(length, "little"), LONGEST_HEADER))
    shape, transposed, dtype = _parse_header(header, version)
    if min(shape, default=0) < 0:
        raise ValueError(f"{shape} is no shape")
    num_bytes, available = math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size
    if available - file.tell() < num_bytes:
        raise ValueError(f"{num_bytes} bytes expected for {shape}, {available} in the file")
    stored: NDArray[Any] = np.empty(shape[::-1] if transposed else shape, dtype)
    rest = stored.reshape(-1).view(np.uint8).data
    while num_read := file.readinto(rest):  # Linux reads at most 2 GiB at once.
        rest = rest[num_read:]
    if rest:
        raise ValueError(f"{num_bytes} bytes expected for {shape}, {len(rest)} of them are gone")
    return np.atleast_1d(stored.T if transposed else stored)


@lru_cache
def _parse_header(header: bytes, version: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of the numbers.

    Versions 2 and 3 differ in the encoding of the names of columns only, which numbers have not.
    """
    parse = np.lib.format.read_array_header_1_0
    if version > 1:
        parse = np.lib.format.read_array_header_2_0
    shape, transposed, dtype = parse(BytesIO(header))
    if dtype.hasobject:
        raise ValueError("expected numbers, got Python objects")
    return shape, transposed, dtype


def _pool_frames(frames_ND: Array, num_segments: int) -> Array:
    """Average 8 frames per segment; rows that are one per segment, or do not fit, stay."""
    if frames_ND.ndim != 2 or len(frames_ND) != FRAMES_PER_SEGMENT * num_segments:
        return frames_ND
    pooled_TD: Array = frames_ND.reshape(num_segments, FRAMES_PER_SEGMENT, -1).mean(axis=1)
    return pooled_TD

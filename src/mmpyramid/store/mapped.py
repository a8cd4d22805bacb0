"""Features of many videos where they lie on disk: a batch maps the rows that it needs.

A store is read in place. Published files, three small ones for each video and some with eight
frames per segment, are first packed: read once, checked, pooled, and written one after the other to
one file for each stream. Packed files stand in `$MMPYRAMID_FEATURE_CACHE` (`off` for none), else in
`features/` of the cache of weights, in a folder named by a digest of the names, sizes and times of
what was packed; changed files are packed again. They can be deleted at any time, and are when they
were not used for a month.

Shape letters: N videos, B batch, T segments, D stream width.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Features, Progress
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import DISK_FULL, cache_folder
from mmpyramid.store.hdf5 import RowFile
from mmpyramid.store.source import FeatureError, FeatureSource

logger = logging.getLogger(__name__)

PACK_VERSION = 1
"""Raised whenever the same files would be packed otherwise."""

INDEX_FILE = "index.npz"
DAY_S = 24 * 3600
UNUSED_AFTER_S = 30 * DAY_S

NUM_THREADS = 4
CHUNK, READ_AHEAD = 8, 64
"""Videos that a thread reads at once, so that threads seldom wait for each other; and in all."""


class FeatureTable(Protocol):
    """The features of N videos on disk, all of them checked.

    Attributes:
        lengths: (N,) number of segments of each video.
        present: (N,) bool by stream, False where a video lacks it.
    """

    lengths: NDArray[np.int64]
    present: dict[str, NDArray[np.bool_]]

    def read(self, rows: Sequence[int], num_segments: int) -> dict[str, Array]:
        """Read some videos, cut or padded with zeros to T segments, (B, T, ..., D) by stream."""
        ...


@dataclass(frozen=True, eq=False)
class StreamRows:
    """Where one stream of N videos lies: rows [start, stop) of one of some files."""

    files: tuple[RowFile, ...]
    file_N: NDArray[np.int32]
    start_N: NDArray[np.int64]
    stop_N: NDArray[np.int64]

    def read(self, rows_B: NDArray[np.int64], num_segments: int, width: int) -> Array:
        """The rows of some videos, (B, T, ..., D)."""
        shape = self.files[0].shape[1:] if self.files else (width,)
        values = np.zeros((len(rows_B), num_segments, *shape), np.float32)
        file_B, start_B = self.file_N[rows_B], self.start_N[rows_B]
        stop_B = np.minimum(self.stop_N[rows_B], start_B + num_segments)
        for number in np.unique(file_B[start_B < stop_B]):
            # Mapped for this batch alone: pages of a map that stays would count as our memory.
            with self.files[number].opened() as stored:
                for place in np.flatnonzero((file_B == number) & (start_B < stop_B)):
                    start, stop = start_B[place], stop_B[place]
                    values[place, : stop - start] = stored[start:stop]
        return values


Located: TypeAlias = dict[str, StreamRows]


class MappedTable:
    """Features that are read in place.

    Args:
        widths: D by stream.
        locate: finds the rows of every stream; called again when a file has been moved.
    """

    def __init__(self, widths: Mapping[str, int], locate: Callable[[], Located]) -> None:
        self._widths, self._locate, self._streams = widths, locate, locate()
        length = {name: rows.stop_N - rows.start_N for name, rows in self._streams.items()}
        self.lengths: NDArray[np.int64] = np.maximum.reduce(list(length.values()))
        self.present: dict[str, NDArray[np.bool_]] = {n: rows > 0 for n, rows in length.items()}

    def read(self, rows: Sequence[int], num_segments: int) -> dict[str, Array]:
        """Read some videos; see `FeatureTable.read`.

        Raises:
            UserError: if the files are gone.
        """
        try:
            return self._read(rows, num_segments)
        except FileNotFoundError:  # Pending videos of a store have been packed into a shard.
            self._streams = self._locate()
            return self._read(rows, num_segments)

    def _read(self, rows: Sequence[int], num_segments: int) -> dict[str, Array]:
        index = np.asarray(rows, np.int64)
        return {
            name: stream.read(index, num_segments, self._widths[name])
            for name, stream in self._streams.items()
        }


class LoadedTable:
    """Features that are loaded video by video whenever a batch needs them, for want of a cache.

    Raises:
        UserError: one report of all that is missing or damaged.
    """

    def __init__(
        self,
        source: FeatureSource,
        ids: Sequence[str],
        streams: Collection[str],
        progress: Progress | None = None,
    ) -> None:
        self._source, self._ids, self._streams = source, ids, streams
        self._shapes: dict[str, tuple[int, ...]] = {}
        self.lengths: NDArray[np.int64] = np.zeros(len(ids), np.int64)
        self.present: dict[str, NDArray[np.bool_]] = {
            name: np.zeros(len(ids), np.bool_) for name in streams
        }
        for video, features in load_each(source, ids, streams, progress):
            for name, array in features.items():
                self._shapes[name] = array.shape[1:]
                self.present[name][video] = True
                self.lengths[video] = len(array)

    def read(self, rows: Sequence[int], num_segments: int) -> dict[str, Array]:
        """Read some videos; see `FeatureTable.read`."""
        values = {}
        for name in self._streams:
            shape = self._shapes.get(name, (self._source.streams[name],))
            values[name] = np.zeros((len(rows), num_segments, *shape), np.float32)
        for place, row in enumerate(rows):
            for name, array in self._source.load(self._ids[row], self._streams).items():
                part = array[:num_segments]
                values[name][place, : len(part)] = part
        return values


def packed_table(
    source: FeatureSource,
    ids: Sequence[str],
    streams: Collection[str],
    paths: Iterable[Path],
    progress: Progress | None = None,
) -> FeatureTable:
    """The table of features in many small files, which are packed if they are not yet.

    Args:
        source: reads them.
        ids: the N videos.
        streams: names of streams.
        paths: all files that are read; their names, sizes and times tell whether a pack is of them.
        progress: called after each video that is packed.

    Raises:
        UserError: one report of all that is missing or damaged.
    """
    chosen = os.environ.get("MMPYRAMID_FEATURE_CACHE", "")
    if chosen.lower() == "off":
        return LoadedTable(source, ids, streams, progress)
    cache = Path(chosen).expanduser() if chosen else cache_folder() / "features"
    folder = cache / _fingerprint(ids, streams, paths)
    widths = {name: source.streams[name] for name in streams}

    def locate() -> Located:
        if not (folder / INDEX_FILE).is_file():
            _forget_unused(cache)
            pack(source, ids, streams, folder, progress)
        os.utime(folder)
        return _open_pack(folder)

    try:
        return MappedTable(widths, locate)
    except OSError as error:
        if error.errno not in {*DISK_FULL, errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        logger.warning(
            "features cannot be packed in %s (%s) and are read file by file, which is slower; set "
            "MMPYRAMID_FEATURE_CACHE to a folder with room",
            cache,
            error.strerror,
        )
        return LoadedTable(source, ids, streams, progress)


def load_each(
    source: FeatureSource,
    ids: Sequence[str],
    streams: Collection[str],
    progress: Progress | None = None,
) -> Iterator[tuple[int, Features]]:
    """Read many videos with a pool of threads, a few at a time.

    Args:
        source: where the features are.
        ids: the videos.
        streams: names of streams.
        progress: called after each video.

    Yields:
        The index of each video that can be used, in order, and its features.

    Raises:
        UserError: at the end, one report of everything that is missing, unreadable, of a wrong
            shape, or not finite.
    """
    problems = Problems()

    def load(video_id: str) -> Features | FeatureError:
        try:
            return source.load(video_id, streams)
        except FeatureError as error:
            return error

    def load_chunk(start: int) -> list[Features | FeatureError]:
        return [load(video_id) for video_id in ids[start : start + CHUNK]]

    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for start in range(0, len(ids), READ_AHEAD):
            chunks = range(start, min(start + READ_AHEAD, len(ids)), CHUNK)
            block = chain.from_iterable(pool.map(load_chunk, chunks))
            for video, loaded in enumerate(block, start):
                if isinstance(loaded, FeatureError):
                    for fault in loaded.faults:
                        problems.add(fault.kind, fault.where)
                else:
                    yield video, loaded
                if progress:
                    progress(video + 1, len(ids))
    problems.raise_if_any(
        f"expected usable features of {len(ids)} videos from {source.describe()}",
        "Extract or download what is missing, and replace what is damaged.",
    )


def pack(
    source: FeatureSource,
    ids: Sequence[str],
    streams: Collection[str],
    folder: Path,
    progress: Progress | None = None,
) -> None:
    """Write the features of some videos one after the other, a file for each stream.

    Args:
        source: reads them.
        ids: the N videos, in the order of the rows.
        streams: names of streams.
        folder: appears when all is written.
        progress: called after each video.

    Raises:
        UserError: one report of all that is missing or damaged.
        OSError: if the folder cannot be written.
    """
    # Not named by the process alone: in containers the next one often has the same number.
    aside = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.tmp")
    aside.mkdir(parents=True)
    try:
        with ExitStack() as stack:
            packed = {
                name: _PackedStream(
                    name=name,
                    file=stack.enter_context((aside / f"{name}.f32").open("wb")),
                    length_N=np.zeros(len(ids), np.int64),
                    shape=(source.streams[name],),
                )
                for name in streams
            }
            for video, features in load_each(source, ids, streams, progress):
                for name, array in features.items():
                    packed[name].add(video, ids[video], array)
            for stream in packed.values():
                stream.file.flush()
                os.fsync(stream.file.fileno())
        index: dict[str, Any] = {f"length/{n}": stream.length_N for n, stream in packed.items()}
        index |= {f"shape/{n}": np.array(stream.shape) for n, stream in packed.items()}
        np.savez(aside / INDEX_FILE, **index)
        try:
            aside.rename(folder)
        except OSError:
            if not (folder / INDEX_FILE).is_file():  # Else another process was faster.
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@dataclass(kw_only=True)
class _PackedStream:
    """One stream of a pack while it is written.

    Attributes:
        file: where the rows of all videos go, one after the other.
        length_N: rows of each video, 0 of those that have not come or lack the stream.
        shape: of a row.
    """

    name: str
    file: IO[bytes]
    length_N: NDArray[np.int64]
    shape: tuple[int, ...]

    def add(self, row: int, video_id: str, array: Array) -> None:
        """Write one video, (T, ...).

        Raises:
            UserError: if its rows have another shape than those before.
        """
        if not self.length_N.any():
            self.shape = array.shape[1:]
        elif array.shape[1:] != self.shape:
            raise UserError(
                f"expected stream `{self.name}` in one shape in all videos, got {self.shape} and "
                f"{array.shape[1:]} of {video_id}; extract all videos with the same extractor"
            )
        self.file.write(np.ascontiguousarray(array, np.dtype("<f4")).data)
        self.length_N[row] = len(array)


def _open_pack(folder: Path) -> Located:
    located: Located = {}
    with np.load(folder / INDEX_FILE, allow_pickle=False) as index:
        for key in (key for key in index.files if key.startswith("length/")):
            name, stop_N = key.removeprefix("length/"), np.cumsum(index[key])
            total = int(stop_N[-1]) if len(stop_N) else 0
            file = RowFile(
                path=folder / f"{name}.f32",
                shape=(total, *index[f"shape/{name}"].tolist()),
                dtype=np.dtype("<f4"),
                offset=0,
            )
            where_N = np.zeros(len(stop_N), np.int32)
            located[name] = StreamRows((file,), where_N, stop_N - index[key], stop_N)
    return located


def _fingerprint(ids: Sequence[str], streams: Collection[str], paths: Iterable[Path]) -> str:
    """A digest of the names, sizes and times of change of files, and of how they are read."""
    digest = hashlib.sha256(repr((PACK_VERSION, tuple(ids), tuple(streams))).encode())
    for path in paths:
        with suppress(OSError):  # Reading says what is missing or out of reach.
            found = path.stat()
            facts = (str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            digest.update(repr(facts).encode())
    return digest.hexdigest()[:32]


def _forget_unused(cache: Path) -> None:
    """Delete packs that were not used for a month, and what killed processes left behind."""
    now = time.time()
    for folder in cache.glob("*"):
        age_limit = DAY_S if folder.suffix == ".tmp" else UNUSED_AFTER_S
        with suppress(FileNotFoundError):
            if now - folder.stat().st_mtime > age_limit:
                shutil.rmtree(folder, ignore_errors=True)

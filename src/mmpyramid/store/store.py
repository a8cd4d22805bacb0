"""Reads the features of a corpus from one folder: the store.

Layout: `store.json` says what made the features; `shard-00000.h5` and so on hold many videos each
and never change; `pending/` holds videos that are finished and not yet packed into a shard, a small
file of the same form each; `failures.jsonl` lists the videos that failed, with reasons. A video is
in the store when its file is: files appear by renaming, complete or not at all.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

import msgspec
import numpy as np

from mmpyramid.core import Features, Progress
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.text import read_text
from mmpyramid.core.typed import LARGEST_DESCRIPTION, from_json
from mmpyramid.store.hdf5 import RowFile
from mmpyramid.store.mapped import FeatureTable, MappedTable, StreamRows
from mmpyramid.store.provenance import STORE_FORMAT, Provenance
from mmpyramid.store.shard import Extracted, Shard, VideoInfo, verify_shard
from mmpyramid.store.source import Fault, FaultKind, FeatureError, choose_streams, find_faults

STORE_FILE, FAILURES_FILE, PENDING_FOLDER = "store.json", "failures.jsonl", "pending"
SHARD_PATTERN = "shard-*.h5"
NUM_KNOWN_SHARDS = 32

Found = TypeVar("Found")


class FeatureStore:
    """A store as a feature source. What is added after opening is not seen; what is packed is.

    Args:
        folder: the store's folder.

    Raises:
        UserError: if the folder is no store, or a file in it is damaged.

    Example:
        >>> store = FeatureStore("features")  # doctest: +SKIP
        >>> store.load(store.ids[0])["yamnet"].shape  # doctest: +SKIP
        (10, 1024)
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.provenance = read_provenance(self.folder)
        # Pending files come first: a video that is packed meanwhile is then found in its shard.
        self._places = _locate(self.folder.glob(f"{PENDING_FOLDER}/*.h5"))
        self._places |= _locate(sorted(self.folder.glob(SHARD_PATTERN)))
        self._known: OrderedDict[Path, Shard] = OrderedDict()
        self._lock = Lock()

    @staticmethod
    def is_store(folder: Path | str) -> bool:
        """Whether a folder holds a store."""
        return (Path(folder) / STORE_FILE).is_file()

    @property
    def streams(self) -> Mapping[str, int]:
        """The width D of every stream by name."""
        return self.provenance.dims

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all videos in the store."""
        return tuple(self._places)

    @property
    def failures(self) -> dict[str, str]:
        """Why videos failed, by id; a video that succeeded later is not among them."""
        failures = read_failures(self.folder)
        return {video_id: why for video_id, why in failures.items() if video_id not in self}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, video_id: object) -> bool:
        return video_id in self._places

    def load(self, video_id: str, streams: Collection[str] | None = None) -> Features:
        """Load one video; see `FeatureSource.load`.

        Raises:
            FeatureError: if the video is not in the store or its shard is damaged.
        """
        names = choose_streams(self, streams)
        return self._read(video_id, lambda shard: shard.features(video_id, names))

    def info(self, video_id: str) -> VideoInfo:
        """What is known about a video besides its features.

        Raises:
            FeatureError: if the video is not in the store or its shard is gone.
        """
        return self._read(video_id, lambda shard: shard.info(video_id))

    def read(self, video_id: str) -> Extracted:
        """Features and everything else about one video.

        Raises:
            FeatureError: as `load`.
        """
        return Extracted(**vars(self.info(video_id)), features=self.load(video_id))

    def table(
        self, ids: Sequence[str], streams: Collection[str], progress: Progress | None = None
    ) -> FeatureTable:
        """Where the features of many videos lie; see `FeatureSource.table`.

        No feature is read: they were checked when they were written.

        Raises:
            UserError: one report of all videos that are missing or whose shards are damaged.
        """
        names = choose_streams(self, streams)
        widths = {name: self.streams[name] for name in names}
        return MappedTable(widths, partial(self._locate_rows, ids, names, progress))

    def _locate_rows(
        self, ids: Sequence[str], streams: Collection[str], progress: Progress | None
    ) -> dict[str, StreamRows]:
        with self._lock:  # A pending file that is still known may have been packed since.
            self._known.clear()
        problems = Problems()
        files: dict[str, dict[RowFile, int]] = {name: {} for name in streams}
        found = {name: np.zeros((3, len(ids)), np.int64) for name in streams}
        # Shard by shard, for only so many are known at once.
        places = [str(self._places.get(video_id, "")) for video_id in ids]
        for done, video in enumerate(sorted(range(len(ids)), key=places.__getitem__), start=1):
            try:
                rows = self._read(ids[video], lambda shard, id_=ids[video]: shard.rows(id_))  # type: ignore[misc]
            except FeatureError as error:
                for fault in error.faults:
                    problems.add(fault.kind, fault.where)
                continue
            for name in rows.keys() & found.keys():
                file, start, stop = rows[name]
                number = files[name].setdefault(file, len(files[name]))
                found[name][:, video] = number, start, stop
            if progress:
                progress(done, len(ids))
        problems.raise_if_any(
            f"expected usable features of {len(ids)} videos from {self.describe()}",
            "Extract or download what is missing, and replace what is damaged.",
        )
        return {
            name: StreamRows(tuple(files[name]), number.astype(np.int32), start, stop)
            for name, (number, start, stop) in found.items()
        }

    def __reduce__(self) -> tuple[type[FeatureStore], tuple[Path]]:
        """Travel to another process as the path, and open the store there."""
        return FeatureStore, (self.folder,)

    def describe(self) -> str:
        """The backbones, the version and the number of videos, on one line."""
        return f"{len(self)} videos in {self.folder}: {self.provenance.describe()}"

    def _read(self, video_id: str, read: Callable[[Shard], Found]) -> Found:
        if video_id not in self._places:
            raise FeatureError([Fault(FaultKind.MISSING, f"{video_id} in {self.folder}")])
        with self._lock:
            try:
                try:
                    return read(self._shard(self._places[video_id]))
                except FileNotFoundError:  # A pending file that has been packed since.
                    self._find_packed()
                    return read(self._shard(self._places[video_id]))
            except (UserError, OSError) as error:
                where = f"{video_id} in {self._places[video_id]}: {error}"
                raise FeatureError([Fault(FaultKind.UNREADABLE, where)]) from error

    def _find_packed(self) -> None:
        packed = _locate(self.folder.glob(SHARD_PATTERN))
        self._places |= {known: packed[known] for known in packed.keys() & self._places}

    def _shard(self, path: Path) -> Shard:
        """What a file holds; the least recently used one is forgotten for it."""
        if path not in self._known:
            self._known[path] = Shard(path)
            if len(self._known) > NUM_KNOWN_SHARDS:
                self._known.popitem(last=False)
        self._known.move_to_end(path)
        return self._known[path]


def pending_name(video_id: str) -> str:
    """A file name for an id of any characters and length, also where case does not count."""
    digest = hashlib.sha256(video_id.encode("utf-8", "surrogateescape"))
    return f"{digest.hexdigest()[:32]}.h5"


def read_provenance(folder: Path, form: str = STORE_FORMAT) -> Provenance:
    """Read `store.json`.

    Args:
        folder: of the store.
        form: which version of the format is expected.

    Raises:
        UserError: if the folder is no store, or one of another version.
    """
    path = folder / STORE_FILE
    if not path.is_file():
        raise UserError(
            f"expected a store of features in {folder}, but there is no {STORE_FILE}; make one "
            f"with `mmpyramid extract VIDEOS --out {folder}`"
        )
    text = read_text(path, LARGEST_DESCRIPTION)
    try:
        return Provenance.from_json(text, form)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from error


class FailureRecord(msgspec.Struct, frozen=True):
    """A line of `failures.jsonl`."""

    id: str
    reason: str


def read_failures(folder: Path) -> dict[str, str]:
    """Why videos failed, by id; the last reason counts.

    Raises:
        UserError: if a line of the journal is damaged; names it.
    """
    path = folder / FAILURES_FILE
    if not path.is_file():
        return {}
    failures = {}
    # What follows the last line break was cut off while it was written.
    for number, line in enumerate(read_text(path).split("\n")[:-1], start=1):
        try:
            record = from_json(line, FailureRecord, "the id of a video and why it failed")
        except UserError as error:
            raise UserError(
                f"{path} is damaged at line {number}: {error}. Delete the line, or the file: the "
                "videos that it names are then tried again"
            ) from error
        failures[record.id] = record.reason
    return failures


@dataclass(frozen=True, kw_only=True)
class FilesReport:
    """What `check_files` found.

    Attributes:
        num_files: the files that there are.
        num_videos: the videos in those that can be read.
        damaged: what is wrong, by the name of the file.
    """

    num_files: int
    num_videos: int
    damaged: Mapping[str, str]


def check_files(folder: Path, progress: Progress | None = None) -> FilesReport:
    """Read all of a store: checksums, shapes, and whether values are finite.

    Args:
        folder: of the store.
        progress: called after each file.

    Raises:
        UserError: if there is no store.

    Example:
        >>> check_files(Path("features")).damaged  # doctest: +SKIP
        {}
    """
    dims = read_provenance(folder).dims
    paths = [*sorted(folder.glob(SHARD_PATTERN)), *sorted(folder.glob(f"{PENDING_FOLDER}/*.h5"))]
    num_videos = 0
    damaged = {}
    for done, path in enumerate(paths, start=1):
        try:
            shard = Shard(path)
            verify_shard(path)
            videos = shard.videos()
            faults = [
                fault
                for video_id, video in videos.items()
                for fault in find_faults(video_id, video.features, dims)
            ]
            if faults:
                raise FeatureError(faults)
            num_videos += len(videos)
        except (UserError, OSError) as error:
            damaged[str(path.relative_to(folder))] = str(error)
        if progress:
            progress(done, len(paths))
    return FilesReport(num_files=len(paths), num_videos=num_videos, damaged=damaged)


def _locate(paths: Iterable[Path]) -> dict[str, Path]:
    """The file of every video."""
    places: dict[str, Path] = {}
    for path in paths:
        try:
            places |= dict.fromkeys(Shard(path).ids, path)
        except FileNotFoundError:
            continue  # A pending file that was packed into a shard this very moment.
    return places

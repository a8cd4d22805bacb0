"""Reads the features of a corpus from one folder: the store.

Layout: `store.json` says what made the features; `shard-00000.h5` and so on hold many videos each
and never change; `pending/` holds videos that are finished and not yet packed into a shard, a small
file of the same form each; `failures.jsonl` lists the videos that failed, with reasons. A video is
in the store when its file is: files appear by renaming, complete or not at all.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np

from mmpyramid.backbones.base import Extractor, Precision
from mmpyramid.backbones.weights import NOTHING_LEARNED
from mmpyramid.core import Features, Modality, Progress
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.scores import Extracted, VideoInfo
from mmpyramid.core.text import LARGEST_DESCRIPTION, from_json, read_text, shorten, to_type
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.store.hdf5 import RowFile
from mmpyramid.store.mapped import FeatureTable, MappedTable, StreamRows
from mmpyramid.store.shard import Shard, StreamRuns, verify_shard
from mmpyramid.store.source import Fault, FaultKind, FeatureError, choose_streams, find_faults
from mmpyramid.version import __version__

STORE_FORMAT = "mmpyramid-features-2"
OLD_FORMAT = "mmpyramid-features-1"
"""Of earlier versions, see `store.exchange`."""
ADDRESS = "https://github.com/mmpyramid/mmpyramid/blob/main/docs/provenance.schema.json"


class StreamProvenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The backbone of one stream; the attributes are those of `Extractor`."""

    modality: Modality
    dim: Annotated[int, msgspec.Meta(ge=1, le=2**20)]
    frames_per_segment: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    frame_size: tuple[int, int]
    weights_sha256: str
    resizing: Resizing = Resizing.SCALER
    sampling: Sampling = Sampling.SECONDS
    precision: Precision = Precision.FLOAT32

    def describe(self) -> str:
        """What a person should know: width and weights; sampling and precision if unusual."""
        weights = self.weights_sha256
        learned = weights and weights != NOTHING_LEARNED
        facts = [
            f"{self.dim}-d",
            f"weights {weights[:8]}" if learned else weights,
            "" if self.sampling == Sampling.SECONDS else f"{self.sampling} sampling",
            "" if self.precision == Precision.FLOAT32 else self.precision,
        ]
        return ", ".join(filter(None, facts))


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The backbones of a store, and when and with which version of this package it was begun.

    Example:
        >>> Provenance.of(create_extractors("open")).streams["yamnet"].dim  # doctest: +SKIP
        1024
    """

    streams: Mapping[str, StreamProvenance]
    tracks: Tracks = PLAYED
    package_version: str = __version__
    created: str = msgspec.field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )

    @classmethod
    def of(cls, extractors: Iterable[Extractor], tracks: Tracks = PLAYED) -> Provenance:
        """The provenance of what these extractors will make of these tracks."""
        names = StreamProvenance.__struct_fields__
        return cls(
            streams={
                extractor.name: StreamProvenance(
                    **{name: getattr(extractor, name) for name in names}
                )
                for extractor in extractors
            },
            tracks=tracks,
        )

    @property
    def dims(self) -> dict[str, int]:
        """The width D of every stream."""
        return {name: stream.dim for name, stream in self.streams.items()}

    def differences(self, other: Provenance) -> list[str]:
        """Say in which backbones or tracks two stores differ; dates and versions may."""
        found = []
        if self.tracks != other.tracks:
            was, required = _tracks_in_words(self.tracks), _tracks_in_words(other.tracks)
            found.append(f"{was} was read, and not {required}")
        for name in sorted({*self.streams, *other.streams}):
            ours, theirs = self.streams.get(name), other.streams.get(name)
            if ours is None or theirs is None:
                found.append(f"{shorten(name)} is {'new' if ours is None else 'not asked for'}")
                continue
            for attribute, value in msgspec.structs.asdict(ours).items():
                if value != getattr(theirs, attribute):
                    was, required = shorten(str(value)), shorten(str(getattr(theirs, attribute)))
                    found.append(f"{attribute} of {shorten(name)} is {was} and not {required}")
        return found

    def check_weights(self, extractors: Iterable[Extractor]) -> None:
        """See that features are of the very weights that something is to be compared with.

        Raises:
            UserError: if they are of others; where their weights are not known, nothing is said.
        """
        for extractor in extractors:
            stream, ours = self.streams.get(extractor.name), extractor.weights_sha256
            theirs = stream.weights_sha256 if stream else ""
            if len(theirs) == len(ours) and theirs != ours:
                raise UserError(
                    f"expected features `{extractor.name}` of the same checkpoint (weights "
                    f"{ours[:8]}), got those of another one (weights {theirs[:8]}); name the "
                    "checkpoint that they were extracted with (--checkpoints "
                    f"{extractor.name}=PATH), or extract them again"
                )

    def describe(self) -> str:
        """One line for people."""
        streams = [f"{name} ({stream.describe()})" for name, stream in self.streams.items()]
        chosen = "" if self.tracks == PLAYED else f" of {_tracks_in_words(self.tracks)}"
        made = f"by mmpyramid {self.package_version}, begun {self.created}"
        return f"{', '.join(streams)}{chosen}, {made}"

    def to_json(self) -> str:
        """Write as JSON."""
        return json.dumps({"format": STORE_FORMAT, **msgspec.to_builtins(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str, form: str = STORE_FORMAT) -> Provenance:
        """Read what `to_json` wrote.

        Args:
            text: the JSON.
            form: which version of the format is expected.

        Raises:
            UserError: if the text is not such JSON.
        """
        data = from_json(text, dict[str, Any], "the description of a store")
        found = data.pop("format", None)
        if found == OLD_FORMAT != form:
            raise UserError(
                "the store is of an earlier version; `mmpyramid store import OLD --out NEW` makes "
                "one of this version of it"
            )
        if found != form:
            raise UserError(f"expected a description whose `format` is `{form}`")
        return to_type(data, cls, "the description of a store")


def provenance_schema() -> dict[str, Any]:
    """The JSON Schema of the description of a store, published as `docs/provenance.schema.json`.

    The version is that of the field `format`.

    Example:
        >>> provenance_schema()["title"]
        'mmpyramid-features-2'
    """
    _, parts = msgspec.json.schema_components([Provenance], ref_template="#/$defs/{name}")
    described = parts.pop(Provenance.__name__)
    described["properties"] = {"format": {"const": STORE_FORMAT}, **described["properties"]}
    described["required"] = ["format", *described["required"]]
    described["properties"]["package_version"] = {"type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ADDRESS,
        **described,
        "title": STORE_FORMAT,
        "description": described["description"].partition("\n")[0],
        "$defs": parts,
    }


def _tracks_in_words(tracks: Tracks) -> str:
    """Tracks, for people."""
    chosen = {"audio": tracks.audio, "video": tracks.video}
    numbers = [f"{kind} track {number}" for kind, number in chosen.items() if number is not None]
    return " and ".join(numbers) or "what a player plays"


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

    def files(self) -> Iterator[tuple[Sequence[str], StreamRuns]]:
        """All that is stored, file by file: ids, and the rows of each stream.

        Video k has the rows [begins[k], begins[k + 1]) of a stream, none where it lacks it.

        Raises:
            UserError: if a file is damaged.
        """
        for path in dict.fromkeys(self._places.values()):
            with self._lock:
                shard = self._shard(path)
            yield shard.ids, shard.runs

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

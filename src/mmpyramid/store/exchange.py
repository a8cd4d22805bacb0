"""Features of other people into a store, and those of a store out to their layouts.

`npy` is a folder per stream with one file per video, as LLP is published; `h5` is a file per stream
with one row per video and their ids, in order, in `ids.txt`, as AVE is. Both are read array by
array.

Stores of earlier versions, whose files had no index of their own, are read once, to be imported.
Such a file is HDF5, of the layout that `store.shard` still writes for other programs. Later ones
end with their SHA-256, which is compared first; of the first ones nobody knows whether they are as
they were written. The HDF5 library may hang or fail on damage, which is why no other reading of
features depends on it.

Shape letters: T segments, F vectors per segment, D width.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import h5py
import msgspec
import numpy as np

from mmpyramid.backbones.registry import BACKBONES
from mmpyramid.core import Array, Features, Modality, Progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import verify, write_durably
from mmpyramid.core.scores import Extracted
from mmpyramid.core.text import from_json, read_text, shorten
from mmpyramid.store.hdf5 import only_dataset, write_rows
from mmpyramid.store.npy import FRAMES_PER_SEGMENT, PER_FRAME, read_features
from mmpyramid.store.shard import VideoRecord
from mmpyramid.store.source import NUMBERS, FaultKind, FeatureError, carry_marker
from mmpyramid.store.store import (
    OLD_FORMAT,
    PENDING_FOLDER,
    SHARD_PATTERN,
    FeatureStore,
    Provenance,
    StreamProvenance,
    read_provenance,
)
from mmpyramid.store.sums import SUMS_FILE, Sums, sum_of, write_sums
from mmpyramid.store.writer import StoreWriter

Layout: TypeAlias = Literal["npy", "h5"]

IDS_FILE = "ids.txt"
STREAMS: dict[Layout, dict[str, str]] = {
    "npy": {"res152": "resnet152"},
    "h5": {"audio_feature": "vggish", "visual_feature": "vgg19"},
}
"""Names of streams by those that published folders and files have; others are kept."""


class Arrays(Protocol):
    """The arrays of one layout.

    Attributes:
        names: where each stream is.
        ids: the videos.
    """

    names: dict[str, Path]
    ids: list[str]

    def read(self, name: str, video_id: str) -> Array | None:
        """One stream of one video as it is stored, None if there is none."""
        ...


class NpyArrays:
    """A folder per stream, in it `<id>.npy`."""

    def __init__(self, folder: Path) -> None:
        inner = folder / "feats"
        folders = sorted(p for p in (inner if inner.is_dir() else folder).iterdir() if p.is_dir())
        self.names = {
            STREAMS["npy"].get(p.name, p.name): p for p in folders if any(p.glob("*.npy"))
        }
        self.ids = sorted({p.stem for place in self.names.values() for p in place.glob("*.npy")})

    def read(self, name: str, video_id: str) -> Array | None:
        """One stream of one video.

        Raises:
            UserError: if the file is damaged.
        """
        path = self.names[name] / f"{video_id}.npy"
        try:
            return read_features(path)
        except FeatureError as error:
            if all(fault.kind is FaultKind.MISSING for fault in error.faults):
                return None
            reason = "; ".join(fault.where for fault in error.faults)
            raise UserError(f"expected an array, but reading failed: {reason}") from error


class RowArrays:
    """A file per stream, in it one dataset (number of videos, T, ..., D), and `ids.txt`."""

    def __init__(self, folder: Path) -> None:
        self.names = {STREAMS["h5"].get(p.stem, p.stem): p for p in sorted(folder.glob("*.h5"))}
        path = folder / IDS_FILE
        if not path.is_file():
            raise UserError(
                f"expected {path} with the id of every row, one per line, but there is none"
            )
        self.ids = read_text(path).splitlines()
        self._rows = {video_id: row for row, video_id in enumerate(self.ids)}
        lengths = {name: self._num_rows(place) for name, place in self.names.items()}
        if len(self._rows) < len(self.ids) or set(lengths.values()) - {len(self.ids)}:
            raise UserError(
                f"expected the ids of all rows in {path}, each once, but there are "
                f"{len(self._rows)} different ids in {len(self.ids)} lines for rows {lengths}"
            )

    def read(self, name: str, video_id: str) -> Array | None:
        """One stream of one video; rows have them all."""
        path = self.names[name]
        with only_dataset(path) as dataset:
            try:
                return _numbers(dataset[self._rows[video_id]])
            except Exception as error:
                raise UserError(
                    f"the row of {video_id} in {path} cannot be read: {error}"
                ) from error

    def _num_rows(self, path: Path) -> int:
        with only_dataset(path) as dataset:
            return len(dataset)


def _numbers(stored: Any) -> Array:
    """An array as float32; what is too large becomes infinite, which the store refuses.

    Raises:
        ValueError: if it holds no real numbers.
    """
    if stored.dtype.kind not in NUMBERS:
        raise ValueError(f"expected numbers, got {stored.dtype}")
    with np.errstate(over="ignore"):
        return np.array(stored, np.float32)


def open_layout(folder: Path) -> Arrays:
    """Find out which layout a folder has.

    Raises:
        UserError: if it has neither.
    """
    if not folder.is_dir():
        raise UserError(f"expected a folder of features, but {folder} is not a folder")
    arrays: Arrays = RowArrays(folder) if any(folder.glob("*.h5")) else NpyArrays(folder)
    if not arrays.ids or not arrays.names:
        raise UserError(
            f"expected folders of .npy files, one per stream, or .h5 files with {IDS_FILE}, but "
            f"{folder} has neither"
        )
    return arrays


def import_features(
    folder: Path,
    out: Path,
    modalities: Mapping[str, Modality] | None = None,
    *,
    pool: bool = False,
    progress: Progress | None = None,
) -> FeatureStore:
    """Put published or other existing features into a store, as float32.

    A stream with F times as many rows as there are segments, as the `resnet152` of LLP, becomes
    (T, F, D); the number of segments is the smallest among the streams of a video. Where
    `resnet152` stands alone, a multiple of 8 rows are 8 per segment, as published. Videos that
    cannot be used, also because F is another than in the store, are noted in it as failed. Another
    run goes on, and tries these again.

    A store of an earlier version becomes one of this version.

    Args:
        folder: in either layout, or a store of an earlier version.
        out: the store.
        modalities: those of streams with names of their own.
        pool: average the F vectors of a segment.
        progress: called after each video.

    Raises:
        UserError: if the layout is not known, or a stream's modality is not.

    Example:
        >>> import_features(Path("LLP/feats"), Path("store")).ids[0]  # doctest: +SKIP
        '-0A9suni5YA'
    """
    if FeatureStore.is_store(folder):
        carry_marker(folder, out)
        return import_old_store(folder, out, progress)
    arrays = open_layout(folder)
    with StoreWriter(out, _provenance(folder, arrays, modalities or {})) as writer:
        carry_marker(folder, out)
        streams = writer.provenance.streams
        todo = [video_id for video_id in arrays.ids if video_id not in writer.done]
        for number, video_id in enumerate(todo, 1):
            try:
                video = _gather(arrays, video_id, streams, pool=pool)
            except UserError as error:
                writer.fail(video_id, str(error))
            else:
                _add(writer, video_id, video)
            if progress:
                progress(number, len(todo))
    return FeatureStore(out)


def export_features(
    store: FeatureStore, out: Path, layout: Layout = "npy", progress: Progress | None = None
) -> None:
    """Write a store in one of the layouts; (T, F, D) becomes (F * T, D) again.

    `SHA256SUMS` beside them has the checksums of all files, as `sha256sum --check` reads them, and
    each row of `h5` has one of its own. It appears last; without it an export broke off.

    Args:
        store: what to write.
        out: the folder.
        layout: `npy`, or `h5`, for which all videos have to be of one length.
        progress: called after each video, or stream of `h5`.

    Raises:
        UserError: if the folder has the other layout, lengths differ, a stream is missing, an id
            is no line of UTF-8 text (`h5`), an id is no file name (`npy`), or the disk is full.

    Example:
        >>> export_features(FeatureStore("store"), Path("feats"))  # doctest: +SKIP
    """
    of_other = "*/*.npy" if layout == "h5" else IDS_FILE
    if any(out.glob(of_other)):
        raise UserError(f"{out} has an export in another layout than {layout}; name another folder")
    carry_marker(store.folder, out)
    (out / SUMS_FILE).unlink(missing_ok=True)
    export = _export_h5 if layout == "h5" else _export_npy
    write_sums(out, export(store, out, progress))


def _export_h5(store: FeatureStore, out: Path, progress: Progress | None) -> Sums:
    names = {ours: theirs for theirs, ours in STREAMS["h5"].items()}
    lines = [_line(video_id) for video_id in store.ids]
    out.mkdir(parents=True, exist_ok=True)
    content = b"".join(lines)
    write_durably(out / IDS_FILE, content)
    sums = {IDS_FILE: hashlib.sha256(content).hexdigest()}
    for number, name in enumerate(store.streams, 1):
        path = out / f"{names.get(name, name)}.h5"
        _export_rows(store, name, path)
        sums[path.name] = sum_of(path)
        if progress:
            progress(number, len(store.streams))
    return sums


def _export_npy(store: FeatureStore, out: Path, progress: Progress | None) -> Sums:
    names = {ours: theirs for theirs, ours in STREAMS["npy"].items()}
    out.mkdir(parents=True, exist_ok=True)
    sums = {}
    for number, video_id in enumerate(store.ids, 1):
        if Path(video_id).name != video_id:
            raise UserError(f"expected ids that can be file names, but the store has {video_id!r}")
        for name, array in store.load(video_id).items():
            place = f"{names.get(name, name)}/{video_id}.npy"
            sums[place] = _write_npy(out / place, _flat(array))
        if progress:
            progress(number, len(store))
    return sums


def _line(video_id: str) -> bytes:
    """An id as a line of `ids.txt`."""
    if video_id.encode(errors="replace").decode().splitlines() != [video_id]:
        raise UserError(
            f"expected ids that are lines of UTF-8 text, but the store has {video_id!r}; use npy"
        )
    return f"{video_id}\n".encode()


def _export_rows(store: FeatureStore, name: str, path: Path) -> None:
    rows = (_flat(_required(store, name, video_id)) for video_id in store.ids)
    shapes = {_flat(_required(store, name, video_id)).shape for video_id in store.ids}
    if len(shapes) != 1:
        raise UserError(
            f"expected videos of one length for a file with a row for each, but {name} in "
            f"{store.folder} has shapes {sorted(shapes)}; use the layout npy"
        )
    write_rows(path, "dataset", (len(store), *shapes.pop()), np.float32, rows, checked=True)


def _required(store: FeatureStore, name: str, video_id: str) -> Array:
    features = store.load(video_id, [name])
    if name not in features:
        raise UserError(f"expected {name} of every video, but {video_id} has none; use npy")
    return features[name]


def _write_npy(path: Path, array: Array) -> str:
    """Write an array, and give its checksum."""
    path.parent.mkdir(exist_ok=True)
    content = io.BytesIO()
    np.save(content, array)
    write_durably(path, content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def _flat(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1]) if array.ndim == 3 else array


def _add(writer: StoreWriter, video_id: str, video: Extracted) -> None:
    try:
        writer.add(video_id, video)
    except FeatureError as error:
        writer.fail(video_id, str(error))


def _gather(
    arrays: Arrays, video_id: str, streams: Mapping[str, StreamProvenance], *, pool: bool
) -> Extracted:
    """All streams of one video, cut into its segments."""
    found = {
        name: array for name in arrays.names if (array := arrays.read(name, video_id)) is not None
    }
    num_segments = _num_segments(found)
    features = {name: _cut(array, num_segments, pool=pool) for name, array in found.items()}
    present = {streams[name].modality for name in features}
    missing = tuple(
        modality
        for modality in (Modality.AUDIO, Modality.VISUAL)
        if modality in {s.modality for s in streams.values()} - present
    )
    return Extracted(features=features, duration=float(num_segments), missing=missing)


def _num_segments(found: Features) -> int:
    """T of one video, from its streams or from what is published."""
    if found.keys() == {PER_FRAME} and found[PER_FRAME].ndim == 2:
        whole, rest = divmod(len(found[PER_FRAME]), FRAMES_PER_SEGMENT)
        if not rest:
            return whole
    return min((len(array) for array in found.values() if array.ndim), default=0)


def _cut(array: Array, num_segments: int, *, pool: bool) -> Array:
    """(F * T, D) to (T, F, D), or to (T, D); the writer rejects what does not fit."""
    if (
        array.ndim != 2
        or not num_segments
        or len(array) % num_segments
        or len(array) == num_segments
    ):
        return array
    array_TFD = array.reshape(num_segments, -1, array.shape[-1])
    return array_TFD.mean(axis=1) if pool else array_TFD


def _provenance(folder: Path, arrays: Arrays, modalities: Mapping[str, Modality]) -> Provenance:
    if absent := sorted(modalities.keys() - arrays.names.keys()):
        raise UserError(
            f"{folder} has no {', '.join(absent)} to be heard or seen; it has "
            f"{', '.join(arrays.names)}"
        )
    known = {**{name: entry.modality for name, entry in BACKBONES.items()}, **modalities}
    unknown = [name for name in arrays.names if name not in known]
    if unknown:
        raise UserError(
            f"expected to know whether {', '.join(unknown)} is heard or seen; name it after "
            "--audio or --visual"
        )
    return Provenance(
        streams={
            name: StreamProvenance(
                modality=known[name],
                dim=_dim(arrays, name),
                frames_per_segment=0,
                frame_size=(0, 0),
                weights_sha256=f"imported from {folder.resolve()}",
            )
            for name in arrays.names
        }
    )


def _dim(arrays: Arrays, name: str) -> int:
    """The width of the first array of a stream that can be read."""
    problem = "there are none"
    for video_id in arrays.ids:
        try:
            array = arrays.read(name, video_id)
        except UserError as error:
            problem = f"none can be read: {error}"
            continue
        if array is not None and array.ndim > 1:
            return int(array.shape[-1])
    raise UserError(f"expected arrays (T, ..., D) in {arrays.names[name]}, but {problem}")


PACKED_AT_MOST = 1000
"""How much smaller deflate makes a file at best."""


def import_old_store(folder: Path, out: Path, progress: Progress | None = None) -> FeatureStore:
    """Put the videos of an earlier version's store into a new one.

    Args:
        folder: the old store, which stays as it is.
        out: the new one; another run goes on with it.
        progress: called after each file.

    Raises:
        UserError: if a file is damaged, or the store is none of an earlier version.

    Example:
        >>> import_old_store(Path("old"), Path("new")).ids  # doctest: +SKIP
        ('-0A9suni5YA', ...)
    """
    paths = [*sorted(folder.glob(SHARD_PATTERN)), *sorted(folder.glob(f"{PENDING_FOLDER}/*.h5"))]
    with StoreWriter(out, read_provenance(folder, OLD_FORMAT)) as writer:
        for done, path in enumerate(paths, start=1):
            for video_id, video in read_old_file(path):
                if video_id in writer.done:
                    continue
                try:
                    writer.add(video_id, video)
                except FeatureError as error:
                    writer.fail(video_id, str(error))
            if progress:
                progress(done, len(paths))
    return FeatureStore(out)


def read_old_file(path: Path) -> Iterator[tuple[str, Extracted]]:
    """The videos of one file.

    Raises:
        UserError: if it is damaged, or no such file.
    """
    try:
        verify(path)
        with h5py.File(str(path), "r", locking=False) as opened:
            texts: Any = _inner(opened, "videos").asstr()
            records = [from_json(text, VideoRecord, "what is known of a video") for text in texts]
            offsets, rows = opened["offsets"], opened["rows"]
            if set(offsets) != set(rows):
                raise ValueError("it has other streams of rows than of offsets")
            begins = {name: _begins(opened, name, len(records)) for name in offsets}
            for place, record in enumerate(records):
                features = {
                    name: _inner(opened, f"rows/{name}")[begin[place] : begin[place + 1]]
                    for name, begin in begins.items()
                    if begin[place] < begin[place + 1]
                }
                facts = {n: v for n, v in msgspec.structs.asdict(record).items() if n != "id"}
                yield record.id, Extracted(features=features, **facts)
    # The HDF5 library reports damage by nearly every kind of exception.
    except Exception as error:
        raise UserError(
            f"expected features of an earlier version in {path}, but reading failed with: "
            f"{shorten(str(error), 300)}. Delete the file to import the others"
        ) from error


def _begins(file: Any, name: str, num_videos: int) -> Any:
    """Where the rows of each video begin, and the last ones end.

    Raises:
        ValueError: if they do not fit the rows.
    """
    begins, rows = np.asarray(_inner(file, f"offsets/{name}")[:]), _inner(file, f"rows/{name}")
    fits = begins.shape == (num_videos + 1,) and begins.dtype.kind in "iu"
    if not fits or begins[0] != 0 or (np.diff(begins) < 0).any():
        raise ValueError(f"the offsets of {name} are not those of {num_videos} videos")
    if rows.ndim < 2 or rows.dtype != np.float32 or len(rows) != begins[-1]:
        raise ValueError(f"{name} is {rows.dtype} {rows.shape}, not {begins[-1]} rows")
    return begins


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

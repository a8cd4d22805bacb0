"""Writes a store so that no crash at any moment loses a finished video or doubles one.

A finished video becomes a pending file first, by writing aside and renaming. Once enough are
pending they are packed into the next shard the same way, which is flushed to the disk; only then
are the pending files removed. If the process dies in between, the next writer finds the videos in
both places and removes the pending ones. A power cut may cost or damage the newest pending files,
which the next writer removes; those videos are then done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import (
    disk_full_as_user_error,
    flush_names,
    only_writer,
    write_durably,
)
from mmpyramid.core.scores import Extracted
from mmpyramid.core.text import whole_number
from mmpyramid.store.shard import Shard, encode_shard, verify_shard
from mmpyramid.store.source import Fault, FaultKind, FeatureError, find_faults
from mmpyramid.store.store import (
    FAILURES_FILE,
    PENDING_FOLDER,
    SHARD_PATTERN,
    STORE_FILE,
    Provenance,
    read_failures,
    read_provenance,
)

LOCK_FILE = "store.lock"
VIDEOS_PER_SHARD = 256
BYTES_PER_SHARD = 64 * 2**20


class StoreWriter:
    """Adds videos to a store, which is made if there is none; one writer at a time.

    Use it in a `with` statement: a clean end packs what is pending. Leaving by an exception, or by
    no way at all, loses nothing either.

    Args:
        folder: the store's folder.
        provenance: what makes the features that will be added.
        videos_per_shard: a shard is packed when so many videos are pending,
        bytes_per_shard: or when they take so many bytes.

    Raises:
        UserError: if the store was made by other backbones, another process writes to it, or the
            disk is full.

    Example:
        >>> with StoreWriter("features", Provenance.of(extractors)) as writer:  # doctest: +SKIP
        ...     writer.add("BjCEufrlXm4", extract_features("BjCEufrlXm4.mp4", extractors))
    """

    def __init__(
        self,
        folder: Path | str,
        provenance: Provenance,
        *,
        videos_per_shard: int = VIDEOS_PER_SHARD,
        bytes_per_shard: int = BYTES_PER_SHARD,
    ) -> None:
        self.folder = Path(folder)
        self.provenance = provenance
        self._videos_per_shard = videos_per_shard
        self._bytes_per_shard = bytes_per_shard
        self._pending_folder = self.folder / PENDING_FOLDER
        with ExitStack() as stack:
            stack.enter_context(only_writer(self.folder, LOCK_FILE))
            try:
                self._pending_folder.mkdir(exist_ok=True)
                self._settle_provenance()
                self._tidy()
            except OSError as error:
                raise UserError(f"cannot write to the store {folder}: {error}") from error
            self._lock = stack.pop_all()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.pack()
        finally:
            self._lock.close()

    @property
    def done(self) -> frozenset[str]:
        """The ids of all videos in the store."""
        return frozenset(self._done)

    @property
    def failures(self) -> dict[str, str]:
        """Why videos failed, by id; a video that succeeded later is not among them."""
        failures = read_failures(self.folder)
        return {video_id: why for video_id, why in failures.items() if video_id not in self._done}

    def add(self, video_id: str, video: Extracted) -> None:
        """Store one finished video; once this returns, no crash of the process can lose it.

        If the disk fills while it is packed with others, it is kept nevertheless.

        Raises:
            FeatureError: if arrays have a wrong shape, or one that differs by more than the number
                of segments from that of the videos in the store, or are not finite.
            UserError: if the video is in the store already, or the disk is full.
        """
        if video_id in self._done:
            raise UserError(f"the video {video_id} is in the store {self.folder} already")
        faults = list(find_faults(video_id, video.features, self.provenance.dims))
        shapes = {name: array.shape[1:] for name, array in video.features.items()}
        if faults := faults or self._misfits(video_id, shapes):
            raise FeatureError(faults)
        image = encode_shard({video_id: video})
        path = self._pending_folder / pending_name(video_id)
        write_durably(path, image, outlast_power_cuts=False)
        self._done.add(video_id)
        self._shapes |= shapes
        self._num_pending += 1
        self._pending_bytes += len(image)
        if (
            self._num_pending >= self._videos_per_shard
            or self._pending_bytes >= self._bytes_per_shard
        ):
            self.pack()

    def fail(self, video_id: str, reason: str) -> None:
        """Note that a video failed, and why.

        Raises:
            UserError: if the disk is full.
        """
        line = json.dumps({"id": video_id, "reason": reason}) + "\n"
        path = self.folder / FAILURES_FILE
        with disk_full_as_user_error(path), path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def pack(self) -> None:
        """Move all pending videos into the next shard.

        Raises:
            UserError: if the disk is full.
        """
        paths = self._pending()
        videos: dict[str, Extracted] = {}
        for path in paths:
            videos |= Shard(path).videos()
        if videos:
            names = (path.stem.removeprefix("shard-") for path in self.folder.glob(SHARD_PATTERN))
            numbers = (whole_number(name) for name in names)
            number = max((known for known in numbers if known is not None), default=-1) + 1
            ordered = dict(sorted(videos.items()))
            write_durably(self.folder / f"shard-{number:05d}.h5", encode_shard(ordered))
            flush_names(self.folder)
        _remove(paths)
        self._num_pending = self._pending_bytes = 0

    def _pending(self) -> list[Path]:
        return list(self._pending_folder.glob("*.h5"))

    def _settle_provenance(self) -> None:
        """Note what makes the features, or see that it is the same as before."""
        path = self.folder / STORE_FILE
        if not path.exists():
            write_durably(path, self.provenance.to_json().encode())
            return
        differences = read_provenance(self.folder).differences(self.provenance)
        if differences:
            raise UserError(
                f"expected the backbones that the store {self.folder} was begun with, but there "
                f"{'; '.join(differences)}. Name the same backbones, or another folder."
            )

    def _tidy(self) -> None:
        """Finish what an earlier writer may have left half done, and count what it finished."""
        for folder in (self.folder, self._pending_folder):
            _remove(folder.glob("*.tmp"))
        _cut_half_line(self.folder / FAILURES_FILE)
        _remove(path for path in self._pending() if not _is_whole(path))
        self._done: set[str] = set()
        self._shapes: dict[str, tuple[int, ...]] = {}
        for path in self.folder.glob(SHARD_PATTERN):
            self._count(Shard(path))
        _remove(path for path in sorted(self._pending()) if not self._is_new(path))
        pending = self._pending()
        self._num_pending = len(pending)
        self._pending_bytes = sum(path.stat().st_size for path in pending)

    def _is_new(self, path: Path) -> bool:
        """Count a pending file, unless it is packed already or can never be packed with others."""
        shard = Shard(path)
        if self._done.issuperset(shard.ids) or self._misfits(path.name, shard.shapes):
            return False
        self._count(shard)
        return True

    def _count(self, shard: Shard) -> None:
        self._done.update(shard.ids)
        self._shapes |= shard.shapes

    def _misfits(self, video_id: str, shapes: Mapping[str, tuple[int, ...]]) -> list[Fault]:
        """Where segments have another shape than in the store, and could not stand beside them."""
        return [
            Fault(
                FaultKind.SHAPE,
                f"{name} of {video_id}: {shape} per segment, but {self._shapes[name]} in the store",
            )
            for name, shape in shapes.items()
            if self._shapes.get(name, shape) != shape
        ]


def pending_name(video_id: str) -> str:
    """A file name for an id of any characters and length, also where case does not count."""
    digest = hashlib.sha256(video_id.encode("utf-8", "surrogateescape"))
    return f"{digest.hexdigest()[:32]}.h5"


def _is_whole(path: Path) -> bool:
    try:
        shard = Shard(path)
        verify_shard(path)
        return bool(shard.ids)
    except UserError:
        return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _cut_half_line(path: Path) -> None:
    """Drop what was cut off while it was written, so that the next line begins a line."""
    if path.is_file():
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)

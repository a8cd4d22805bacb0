"""A file as FFmpeg sees it: bytes that it may read, and nothing else on this machine.

FFmpeg opens whatever a playlist, a manifest or an edit list names, by itself and in many formats.
Here it gets no name to open but a function that reads one file, a list of allowed formats, and no
protocol to open another file or the network with.
"""

from __future__ import annotations

import os
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.logging
from av.container import InputContainer

from mmpyramid.core.errors import UserError
from mmpyramid.media.demuxers import REFERRING, SELF_CONTAINED, why_refused

EXPECTED = "expected a video or sound file"

MAX_PIXELS = 2**26
"""Of a picture, twice those of 8K: some kilobytes can claim, and even fill, any number."""

# A playlist without an end, or of itself, would be read again for many minutes.
_LIST_OPTIONS = {"max_reload": "1"}
_PICTURE_OPTIONS = {"max_pixels": str(MAX_PIXELS)}
# FFmpeg takes a clock that is set back for one that has run over, 26 hours later; see `Clock`.
_CLOCK_OPTIONS = {"correct_ts_overflow": "0"}

# Tags in an old encoding must not make a file unreadable; from PyAV 19 on they never do.
_OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """A file to read, and how.

    Attributes:
        path: its name, also for messages.
        descriptor: where this process may open no file, one that is open already; it is read by
            position and stays open.
        follow_references: read a playlist or manifest of the user's own with the local files that
            it names; for strangers' files never.
    """

    path: Path
    descriptor: int | None = None
    follow_references: bool = False


Source: TypeAlias = str | Path | MediaFile
"""What can be read: the path of a file, or more said about it."""


def to_media_file(source: Source) -> MediaFile:
    """A path as a `MediaFile`."""
    return source if isinstance(source, MediaFile) else MediaFile(path=Path(source))


@contextmanager
def open_media(source: Source) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Raises:
        UserError: if the file is absent, out of reach, a folder, empty, not media, or in a format
            that refers to other files.

    Example:
        >>> with open_media("clip.mp4") as container:  # doctest: +SKIP
        ...     container.streams.video
    """
    file = to_media_file(source)
    if file.follow_references:
        check_file(file.path)
        # An absolute path never looks like a protocol to FFmpeg, as `concat:a.mp4` would.
        name = str(file.path.absolute())
        with _open(name, file.path, SELF_CONTAINED | REFERRING, "file,crypto,data") as container:
            yield container
        return
    descriptor = open_file(file.path) if file.descriptor is None else file.descriptor
    try:
        reader = _Reader(descriptor, file.path)
        with _open(reader, file.path, SELF_CONTAINED, "none") as container:
            yield container
    finally:
        if file.descriptor is None:
            os.close(descriptor)


def load_decoders() -> None:
    """Import what PyAV and Pillow would once they need it, which a confined process cannot."""
    import_module("PIL.ImageFile")
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def open_file(path: Path) -> int:
    """Open a file for a `MediaFile`, whose owner closes the descriptor.

    Raises:
        UserError: if it is absent, out of reach, a folder, or empty.
    """
    check_file(path)
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(
            f"{EXPECTED}, but {path} cannot be opened: {error.strerror}; check its permissions"
        ) from error


def check_file(path: Path) -> None:
    """See that there is a file with something in it.

    Raises:
        UserError: if it is absent, out of reach, a folder, or empty.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise UserError(
            f"{EXPECTED}, but {path} cannot be reached: {error.strerror}; check the path and the "
            "permissions of its folders"
        ) from error
    if not exists:
        raise UserError(f"{EXPECTED}, but {path} does not exist; check the path")
    if path.is_dir():
        raise UserError(f"{EXPECTED}, but {path} is a folder; name a file inside it")
    if not path.is_file():
        raise UserError(
            f"{EXPECTED}, but {path} is a pipe or a device, which cannot be read twice; save what "
            "it gives as a file, or give a pipe to `mmpyramid parse`"
        )
    if path.stat().st_size == 0:
        raise UserError(f"{EXPECTED}, but {path} is empty (0 bytes); fetch or record it again")


def _open(
    file: str | _Reader, path: Path, demuxers: frozenset[str], protocols: str
) -> InputContainer:
    options = {
        **_PICTURE_OPTIONS,
        **_LIST_OPTIONS,
        **_CLOCK_OPTIONS,
        "format_whitelist": ",".join(sorted(demuxers)),
        "protocol_whitelist": protocols,
    }
    try:
        container: InputContainer = av.open(file, mode="r", options=options, **_OPEN_OPTIONS)
    except av.FFmpegError as error:
        refused = _refused_demuxer(file, options)
        if refused is not None:
            raise UserError(f"{EXPECTED}, but {path} {why_refused(refused)}") from error
        raise UserError(
            f"{EXPECTED}, but FFmpeg cannot open {path}: {error.strerror}; "
            "the file is not media, or its beginning or index is missing"
        ) from error
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = _PICTURE_OPTIONS
    return container


def _refused_demuxer(file: str | _Reader, options: dict[str, str]) -> str | None:
    """The format that a file is in, if that is why it was not opened: FFmpeg only logs it."""
    if isinstance(file, _Reader):
        file.seek(0)
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture():
            av.open(file, mode="r", options=options, **_OPEN_OPTIONS).close()
    except av.FFmpegError as error:
        log: Any = error.log  # (level, name of the format, message)
        return str(log[1]) if log and "not on whitelist" in log[2] else None
    finally:
        av.logging.set_level(before)
    return None


class _Reader:
    """The bytes of an open file, at a position that no other reader of the same file moves."""

    def __init__(self, descriptor: int, path: Path) -> None:
        # What looks like a pattern would make FFmpeg look for numbered pictures.
        self.name = re.sub(r"[%*?\[{]", "_", str(path.absolute()))
        self._descriptor, self._position = descriptor, 0

    def read(self, num_bytes: int) -> bytes:
        content = os.pread(self._descriptor, num_bytes, self._position)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = os.fstat(self._descriptor).st_size
        self._position = max(0, offset + (0, self._position, size)[whence])
        return self._position

    def tell(self) -> int:
        return self._position

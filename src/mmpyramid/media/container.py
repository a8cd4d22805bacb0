"""Opening a file and choosing its streams; here FFmpeg's refusals become `UserError`s."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

import av
from av.container import InputContainer
from av.stream import Disposition

from mmpyramid.core.errors import UserError

SAMPLE_RATE = 16_000
"""Samples per second of every waveform: what the sound backbones were trained on."""

HEADERLESS = ("aac", "mp3")
"""Formats whose length FFmpeg may have to guess from the bit rate."""

MAX_PIXELS = 2**26
"""Of a picture, twice those of 8K: some kilobytes can claim, and even fill, any number."""

_PICTURE_OPTIONS = {"max_pixels": str(MAX_PIXELS)}

# Tags in an old encoding must not make a file unreadable; from PyAV 19 on they never do.
_OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)

StreamT = TypeVar("StreamT", av.VideoStream, av.AudioStream)


def open_media(path: Path) -> InputContainer:
    """Open a media file for reading; use it in a `with` statement.

    Raises:
        UserError: if the file is absent, out of reach, a folder, empty, or not media.
    """
    expected = "expected a video or sound file"
    try:
        exists = path.exists()
    except OSError as error:
        raise UserError(
            f"{expected}, but {path} cannot be reached: {error.strerror}; check the path and the "
            "permissions of its folders"
        ) from error
    if not exists:
        raise UserError(f"{expected}, but {path} does not exist; check the path")
    if path.is_dir():
        raise UserError(f"{expected}, but {path} is a folder; name a file inside it")
    if path.stat().st_size == 0:
        raise UserError(f"{expected}, but {path} is empty (0 bytes); fetch or record it again")
    try:
        # An absolute path never looks like a protocol to FFmpeg, as `concat:a.mp4` would.
        container: InputContainer = av.open(
            str(path.absolute()), mode="r", options=_PICTURE_OPTIONS, **_OPEN_OPTIONS
        )
    except av.FFmpegError as error:
        raise UserError(
            f"{expected}, but FFmpeg cannot open {path}: {error.strerror}; "
            "the file is not media, or its beginning or index is missing"
        ) from error
    if container.format.name == "tty":  # FFmpeg renders any .txt file as a film of a terminal
        container.close()
        raise UserError(f"{expected}, but {path} is a text file")
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = _PICTURE_OPTIONS
    return container


def best_video(container: InputContainer) -> av.VideoStream | None:
    """The picture that a player would show; cover art is none."""
    return _best(container, "video", container.streams.video)


def best_audio(container: InputContainer) -> av.AudioStream | None:
    """The sound that a player would play."""
    return _best(container, "audio", container.streams.audio)


def undecodable_notes(container: InputContainer) -> tuple[str, ...]:
    """Say which kinds of stream are present, but only in codecs that FFmpeg cannot decode."""
    streams = container.streams
    return tuple(
        f"the {name} is in a codec that cannot be decoded, so it is treated as absent"
        for name, present, chosen in (
            ("picture", [s for s in streams.video if not _is_cover(s)], best_video(container)),
            ("sound", streams.audio, best_audio(container)),
        )
        if present and chosen is None
    )


def _best(
    container: InputContainer, kind: Literal["video", "audio"], streams: tuple[StreamT, ...]
) -> StreamT | None:
    candidates = [s for s in streams if s.codec_context is not None and not _is_cover(s)]
    preferred = container.streams.best(kind)
    return next((s for s in candidates if s is preferred), next(iter(candidates), None))


def _is_cover(stream: av.VideoStream | av.AudioStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)

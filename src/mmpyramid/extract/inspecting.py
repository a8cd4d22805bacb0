"""Looks into files of anybody, in a process that a bad file may take down.

The process is confined as those that decode, see `extract.decoding`: it gets one open file, can
open no other, and its answers are data that is checked. Headers are parsed by the same libraries as
everything else in a file, so that a look is no safer than a whole reading.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import av
import msgspec
import numpy as np
from av.stream import Disposition

from mmpyramid.core.errors import UserError
from mmpyramid.core.process import (
    Answer,
    BrokenAnswerError,
    Channel,
    Worker,
    WorkerError,
    WorkerTimeoutError,
    num_cores,
)
from mmpyramid.core.sandbox import limit_cpu
from mmpyramid.media.container import MediaInfo, probe
from mmpyramid.media.pictures import middle_picture, to_jpeg
from mmpyramid.media.source import MediaFile, load_decoders, open_file, open_media
from mmpyramid.media.streams import can_be_decoded, moving_pictures

MEMORY = 2**31
"""Bytes that looking into a file may take."""

SECONDS = 30.0
"""How long looking into a file may take."""

STILL = "still pictures"
NO_MEDIA = "without sound or picture that can be read"
THUMBNAIL = 192
"""Pixels of the longer side."""

Question: TypeAlias = Callable[[MediaFile], Answer]
"""What is asked of a file; a function of a module, for it travels by its name."""


class Inspector:
    """Looks into one file after the other. Use it in a `with` statement.

    Example:
        >>> with Inspector() as inspector:  # doctest: +SKIP
        ...     inspector.probe(Path("clip.mp4")).duration
        10.0
    """

    def __init__(self) -> None:
        self._worker = Worker(answer_questions, "look", memory=MEMORY, prepare=load_decoders)

    def __enter__(self) -> Inspector:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop()

    def probe(self, path: Path) -> MediaInfo:
        """What `media.probe` tells of a file.

        Raises:
            UserError: as `media.probe`, or if the file breaks the process.
        """
        answer = self._ask(_probe, path)
        try:
            return msgspec.convert({**answer.content, "path": path}, MediaInfo)
        except msgspec.ValidationError as error:
            raise _broken(path, str(error)) from error

    def thumbnail(self, path: Path) -> bytes | None:
        """What `media.thumbnail` gives of a file.

        Raises:
            UserError: if the file cannot be opened, or breaks the process.
        """
        picture = self._ask(_picture, path).arrays.get("picture")
        if picture is None:
            return None
        is_small = all(0 < length <= THUMBNAIL for length in picture.shape)
        if picture.dtype != np.uint8 or picture.shape[2:] != (3,) or not is_small:
            raise _broken(path, f"a picture of {picture.dtype} {picture.shape}")
        return to_jpeg(picture)

    def why_not(self, path: Path) -> str | None:
        """Why a file is no video or sound file; None if it is one."""
        try:
            reason = self._ask(_reason, path).content.get("reason", NO_MEDIA)
        except UserError:
            return NO_MEDIA
        return reason if reason is None or reason == STILL else NO_MEDIA

    def _ask(self, question: Question, path: Path) -> Answer:
        descriptor = open_file(path)
        try:
            if not self._worker.is_started:
                self._worker.start()
            self._worker.send((question, path), descriptor)
        finally:
            os.close(descriptor)
        try:
            answer = self._worker.receive(SECONDS)
        except BrokenAnswerError as error:
            raise _broken(path, str(error)) from error
        except WorkerTimeoutError as error:
            raise UserError(
                f"expected a video or sound file, but looking into {path} took more than "
                f"{SECONDS:g} s; it is damaged, fetch or record it again"
            ) from error
        except WorkerError as error:
            raise UserError(
                f"expected a video or sound file, but looking into {path} crashed the decoder "
                f"({error}); it is damaged, fetch or record it again"
            ) from error
        if "mistake" in answer.content:
            raise UserError(str(answer.content["mistake"]))
        return answer


def answer_questions(channel: Channel) -> None:
    """What the process does."""
    while True:
        question, path = channel.requests.get()
        descriptor = channel.descriptors.get()
        limit_cpu(num_cores() * SECONDS)
        try:
            channel.send(question(MediaFile(path=path, descriptor=descriptor)))
        except (UserError, av.FFmpegError, MemoryError) as error:
            channel.send(Answer({"mistake": str(error) or f"looking into {path} takes memory"}))
        finally:
            os.close(descriptor)


def _broken(path: Path, why: str) -> UserError:
    return UserError(
        f"expected a video or sound file, but looking into {path} gave a broken answer ({why}); do "
        "not open the file by other programs"
    )


def _probe(file: MediaFile) -> Answer:
    return Answer({name: value for name, value in asdict(probe(file)).items() if name != "path"})


def _picture(file: MediaFile) -> Answer:
    picture = middle_picture(file, THUMBNAIL)
    return Answer({}, {} if picture is None else {"picture": picture})


def _reason(file: MediaFile) -> Answer:
    return Answer({"reason": _why_no_media(file)})


def _why_no_media(file: MediaFile) -> str | None:
    with open_media(file) as container:
        if any(can_be_decoded(stream) for stream in container.streams.audio):
            return None
        pictures = [s for s in moving_pictures(container) if can_be_decoded(s)]
        if not pictures:
            return NO_MEDIA
        is_still = container.format.name.endswith("_pipe") or all(
            stream.disposition & Disposition.still_image for stream in pictures
        )
        return STILL if is_still else None

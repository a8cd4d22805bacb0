"""Cuts the moments that were found out of their videos, in a confined process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import DISK_FULL, check_output_folder, disk_full_as_user_error
from mmpyramid.core.process import Answer, Channel, Worker, WorkerError, num_cores
from mmpyramid.core.sandbox import limit_cpu
from mmpyramid.core.wording import title_of
from mmpyramid.extract.pieces import Failure
from mmpyramid.library.query import Moment
from mmpyramid.media.cutting import SUFFIXES, cut
from mmpyramid.media.source import MediaFile, load_decoders, open_file

MEMORY = 2**32
"""Bytes that cutting may take."""

SECONDS = 300.0
"""How long cutting one moment may take."""

LONGEST_NAME = 160
"""Bytes of a clip's name, without the suffix."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A moment that was cut out, or why it was not.

    Attributes:
        moment: what was to be cut.
        path: the file; None if there is none.
        begin: the second of the video at which it begins.
        is_copy: whether packets were copied, and not encoded anew.
        failure: why there is no file, empty if there is one.
    """

    moment: Moment
    path: Path | None = None
    begin: float = 0.0
    is_copy: bool = False
    failure: str = ""


def cut_moments(moments: Sequence[Moment], folder: Path) -> Iterator[Clip]:
    """Cut moments out of their videos, a file each, numbered in their order.

    Copies begin at the key frame before the moment. What cannot be copied is encoded anew. Files of
    the same name are replaced.

    Args:
        moments: what to cut; where their videos lie must be known.
        folder: where to; it is created if it does not exist.

    Raises:
        UserError: if the folder cannot be written to, or the disk is full.

    Example:
        >>> for clip in cut_moments(moments, Path("clips")):  # doctest: +SKIP
        ...     print(clip.path, clip.failure)
    """
    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    worker = Worker(serve_cuts, "cut", memory=MEMORY, prepare=load_decoders)
    try:
        for number, moment in enumerate(moments, 1):
            aside = folder / f".{os.getpid()}-{number}.tmp"
            try:
                with disk_full_as_user_error(folder):
                    clip = _cut(worker, moment, aside, folder / _name(number, moment))
            finally:
                aside.unlink(missing_ok=True)
            yield clip
    finally:
        worker.stop()


def _cut(worker: Worker, moment: Moment, aside: Path, stem: Path) -> Clip:
    try:
        return _cut_whole(worker, moment, aside, stem)
    except UserError as error:
        return Clip(moment=moment, failure=str(error))


def _cut_whole(worker: Worker, moment: Moment, aside: Path, stem: Path) -> Clip:
    if not moment.path:
        raise UserError("the path of this video is not known")
    why = ""
    for copies in (True, False):
        answer = _ask(worker, moment, aside, copies=copies)
        if isinstance(answer, Failure):
            why = why or answer.reason
            continue
        suffix, begin = answer.content.get("suffix"), answer.content.get("begin")
        if suffix not in SUFFIXES or not isinstance(begin, int | float):
            raise UserError(f"cutting {moment.path} gave an invalid answer")
        path = stem.with_name(f"{stem.name}{suffix}")
        aside.replace(path)
        return Clip(moment=moment, path=path, begin=float(begin), is_copy=copies)
    raise UserError(why)


def _ask(worker: Worker, moment: Moment, aside: Path, *, copies: bool) -> Answer | Failure:
    source = open_file(Path(moment.path))
    try:
        target = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            if not worker.is_started:
                worker.start()
            worker.send((moment.path, moment.start, moment.end, copies), source)
            worker.send(None, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
    try:
        answer = worker.receive(SECONDS)
    except WorkerError as error:
        worker.stop()
        return Failure(f"cutting {moment.path} failed ({error}); the file may be damaged")
    number = answer.content.get("errno")
    if number in DISK_FULL:  # No other clip could be written either.
        raise OSError(number, os.strerror(number), str(aside))
    reason = answer.content.get("failure")
    return answer if reason is None else Failure(str(reason))


def serve_cuts(channel: Channel) -> None:
    """What the process does."""
    while True:
        path, start, end, copies = channel.requests.get()
        channel.requests.get()
        source, target = channel.descriptors.get(), channel.descriptors.get()
        limit_cpu(num_cores() * SECONDS)
        try:
            file = MediaFile(path=Path(path), descriptor=source)
            suffix, begin = cut(file, target, start, end, copies=copies)
            channel.send(Answer({"suffix": suffix, "begin": begin}))
        except (UserError, OSError, av.FFmpegError, MemoryError, ValueError) as error:
            number = getattr(error, "errno", None)
            channel.send(Answer({"failure": f"cutting {path} failed: {error}", "errno": number}))
        finally:
            os.close(source)
            os.close(target)


def _name(number: int, moment: Moment) -> str:
    r"""A name for the file of a moment that is safe on every system, without the suffix.

    Example:
        >>> _name(3, Moment("../x:y", "", 1.0, 2.5, "Frying_(food)", "audio", 0.9))
        '003 .._x_y 1-2.5 Frying (food)'
    """
    words = f"{moment.video} {moment.start:.10g}-{moment.end:.10g} {title_of(moment.label)}"
    safe = re.sub(r"[^\w .,()+@-]", "_", words)
    short = f"{number:03d} {safe}".encode()[:LONGEST_NAME].decode(errors="ignore")
    return short.rstrip(" .")

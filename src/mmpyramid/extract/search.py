"""Which files of folders are videos or sound files: not their names decide, but what is inside.

An `Inspector` looks into them, in a process that a bad file may take down. It is confined as those
that decode, see `extract.decoding`: it gets one open file, can open no other, and its answers are
data that is checked. Headers are parsed by the same libraries as everything else in a file, so that
a look is no safer than a whole reading.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

import av
import msgspec
import numpy as np
from av.stream import Disposition

from mmpyramid.core.errors import Problems, UserError
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
        f"expected a video or sound file, but looking into {path} gave an invalid answer ({why}); "
        "the file may be malicious, do not open it with other programs"
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


Videos: TypeAlias = str | Path | Iterable[str | Path]

MEDIA_SUFFIXES = frozenset(
    """
    .3g2 .3gp .aac .ac3 .aif .aiff .amr .asf .avi .caf .dv .flac .flv .m2ts .m4a .m4b .m4v .mka .mkv
    .mov .mp2 .mp3 .mp4 .mpeg .mpg .mts .mxf .oga .ogg .ogv .opus .vob .wav .webm .wma .wmv
    """.split()  # noqa: SIM905
)
"""What need not be opened to be taken for a video or sound file, as only such are called so."""

HIDDEN = "hidden"
NO_FILE = "pipes and devices"
SEARCHED = "folders that are linked to twice"
EMPTY = "empty"
WITHOUT = "places without video or sound files"
TEXT = "text"

SNIFFED = 4096
"""Bytes of a file that tell whether it is text."""


@dataclass(frozen=True, kw_only=True)
class FoundVideos:
    """The videos that were found.

    Attributes:
        paths: by id, which is the file name without its suffix.
        files: all of them.
        left_out: files and folders that a search passed over, and why.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)

    def describe_left_out(self) -> str:
        """Every reason with its count and first names, empty if there is none."""
        reasons = Problems()
        for path, reason in self.left_out.items():
            reasons.add(reason, path.name)
        return reasons.summary()


def search_videos(videos: Videos, *, unique: bool = True) -> FoundVideos:
    """Find video and sound files.

    A folder is searched through, linked folders too, each once. Hidden files are passed over, such
    as those that macOS puts beside others (`._clip.mp4`). Of the rest a file belongs to it if
    FFmpeg finds moving pictures or sound in it; names that only such files have are taken at their
    word.

    Args:
        videos: a file, a folder, a glob pattern, or several of them.
        unique: whether ids have to differ.

    Raises:
        UserError: if something does not exist, is no valid pattern, nothing is found, or two files
            have the same id.

    Example:
        >>> search_videos("clips/").describe_left_out()  # doctest: +SKIP
        'hidden: 1 (._dog.mp4); text: 2 (dog.srt, list.csv)'
    """
    places = [videos] if isinstance(videos, str | Path) else list(videos)
    problems, result = Problems(), FoundVideos()
    advice = "Give files, or folders that contain some."
    with Inspector() as inspector:
        for place in places:
            files = list(_files(Path(place), inspector, result.left_out))
            if not files:
                reason = result.left_out.get(Path(place))
                kind = f"folders that cannot be read ({reason})" if reason else WITHOUT
                problems.add(kind, str(place))
            for path in sorted(files):
                result.files.append(path)
                other = result.paths.setdefault(path.stem, path)
                # `Path.resolve` refuses links in a circle, which are for whoever opens them to
                # report.
                if unique and os.path.realpath(other) != os.path.realpath(path):
                    problems.add(
                        "files whose names differ in folder or suffix only", f"{other}, {path}"
                    )
                    advice = (
                        "The name without its suffix is a video's id: rename such files, or "
                        "extract them apart."
                    )
    if not places:
        problems.add(WITHOUT, "none given")
    problems.raise_if_any("expected video or sound files, each with a name of its own", advice)
    return result


def find_videos(videos: Videos) -> dict[str, Path]:
    """The `paths` of `search_videos`.

    Example:
        >>> find_videos("clips/*.mp4")["dog"]  # doctest: +SKIP
        PosixPath('clips/dog.mp4')
    """
    return search_videos(videos).paths


def _files(place: Path, inspector: Inspector, left_out: dict[Path, str]) -> Iterator[Path]:
    """The files that one argument means."""
    if place.is_file():
        yield place
        return
    is_folder = place.is_dir()
    for path in _inside(place, left_out) if is_folder else _matching(place):
        if os.path.isdir(path):  # noqa: PTH112 - of a folder that cannot be searched, too
            continue
        if path.name.startswith("."):
            left_out[path] = HIDDEN
        elif is_folder and os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - refuse no name
            left_out[path] = NO_FILE
        elif not is_folder or path.suffix.lower() in MEDIA_SUFFIXES:
            yield path
        elif (reason := _why_not(path, inspector)) is not None:
            left_out[path] = reason
        else:
            yield path


def _inside(folder: Path, left_out: dict[Path, str]) -> Iterator[Path]:
    """All files below a folder, through links as well, but through none twice."""
    searched = {os.path.realpath(folder)}

    def leave_out(error: OSError) -> None:
        left_out[Path(error.filename)] = error.strerror or str(error)

    for root, folders, names in os.walk(folder, onerror=leave_out, followlinks=True):
        folders.sort()
        for name in list(folders):
            path = Path(root, name)
            real = os.path.realpath(path)
            if name.startswith(".") or real in searched:
                left_out[path] = HIDDEN if name.startswith(".") else SEARCHED
                folders.remove(name)
            searched.add(real)
        yield from (Path(root, name) for name in sorted(names))


def _matching(pattern: Path) -> list[Path]:
    try:
        return list(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    except ValueError as error:
        raise UserError(
            f"expected a file, a folder or a glob pattern, got {pattern}: {error}"
        ) from error


def _why_not(path: Path, inspector: Inspector) -> str | None:
    """Why a file is no video or sound file; None if it is one."""
    try:
        if not path.stat().st_size:
            return EMPTY
    except OSError as error:
        return error.strerror or str(error)
    return TEXT if _is_text(path) else inspector.why_not(path)


def _is_text(path: Path) -> bool:
    """Whether a file begins with text in UTF-8, and so is neither sound nor picture."""
    try:
        with path.open("rb") as file:
            beginning = file.read(SNIFFED)
    except OSError:
        return False
    text = beginning.decode("utf-8", errors="ignore")  # The last character may be cut off.
    return len(text.encode()) > len(beginning) - 4 and "\0" not in text

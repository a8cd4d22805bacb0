"""Which files of folders are videos or sound files: not their names decide, but what is inside."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mmpyramid.core.errors import Problems, UserError
from mmpyramid.extract.inspecting import Inspector

Videos: TypeAlias = str | Path | Iterable[str | Path]

MEDIA_SUFFIXES = frozenset(
    """
    .3g2 .3gp .aac .ac3 .aif .aiff .amr .asf .avi .caf .dv .flac .flv .m2ts .m4a .m4b .m4v .mka .mkv
    .mov .mp2 .mp3 .mp4 .mpeg .mpg .mts .mxf .oga .ogg .ogv .opus .vob .wav .webm .wma .wmv
    """.split()  # noqa: SIM905
)
"""What need not be opened to be taken for a video or sound file, as only such are called so."""

HIDDEN = "hidden"
NO_FILE = "no files"
SEARCHED = "folders that are linked to twice"
EMPTY = "empty"
TEXT = "text"

SNIFFED = 4096
"""Bytes of a file that tell whether it is text."""


@dataclass(frozen=True, kw_only=True)
class FoundVideos:
    """The videos that were meant.

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
    with Inspector() as inspector:
        for place in places:
            files = list(_files(Path(place), inspector, result.left_out))
            if not files:
                problems.add("places without video or sound files", str(place))
            for path in sorted(files):
                result.files.append(path)
                other = result.paths.setdefault(path.stem, path)
                # `Path.resolve` refuses links in a circle, which are for whoever opens them to
                # report.
                if unique and os.path.realpath(other) != os.path.realpath(path):
                    problems.add(
                        "files whose names differ in folder or suffix only", f"{other}, {path}"
                    )
    if not places:
        problems.add("places without video or sound files", "none given")
    problems.raise_if_any(
        "expected video or sound files, each with a name of its own",
        "The name without its suffix is a video's id: rename such files, or extract them apart.",
    )
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
        if path.is_dir():
            continue
        if path.name.startswith("."):
            left_out[path] = HIDDEN
        elif not is_folder or path.suffix.lower() in MEDIA_SUFFIXES:
            yield path
        elif (reason := _why_not(path, inspector)) is not None:
            left_out[path] = reason
        else:
            yield path


def _inside(folder: Path, left_out: dict[Path, str]) -> Iterator[Path]:
    """All files below a folder, through links as well, but through none twice."""
    searched = {os.path.realpath(folder)}
    for root, folders, names in os.walk(folder, followlinks=True):
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
    if not path.is_file():
        return NO_FILE
    if not path.stat().st_size:
        return EMPTY
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

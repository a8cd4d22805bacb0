"""Finds the media files of a corpus and gives each an id."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from mmpyramid.core.errors import Problems, UserError

Videos: TypeAlias = str | Path | Iterable[str | Path]

MEDIA_SUFFIXES = frozenset(
    {
        ".3gp",
        ".aac",
        ".avi",
        ".flac",
        ".flv",
        ".m4a",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".ogg",
        ".ogv",
        ".opus",
        ".ts",
        ".wav",
        ".webm",
        ".wmv",
    }
)
"""What counts as a video or sound file when a folder is searched."""


def find_videos(videos: Videos) -> dict[str, Path]:
    """Find media files by id, which is the file name without its suffix.

    Args:
        videos: a file, a folder (searched through), a glob pattern, or several of them.

    Raises:
        UserError: if something does not exist, is no valid pattern, nothing is found, or two files
            have the same id.

    Example:
        >>> find_videos("clips/*.mp4")["dog"]  # doctest: +SKIP
        PosixPath('clips/dog.mp4')
    """
    asked = [videos] if isinstance(videos, str | Path) else list(videos)
    problems = Problems()
    found: dict[str, Path] = {}
    for place in asked:
        files = _files(Path(place))
        if not files:
            problems.add("places without video or sound files", str(place))
        for path in files:
            other = found.setdefault(path.stem, path)
            # `Path.resolve` refuses links in a circle, which are for whoever opens them to report.
            if os.path.realpath(other) != os.path.realpath(path):
                problems.add(
                    "files whose names differ in folder or suffix only", f"{other}, {path}"
                )
    if not asked:
        problems.add("places without video or sound files", "none given")
    problems.raise_if_any(
        "expected video or sound files, each with a name of its own",
        "The name without its suffix is a video's id: rename such files, or extract them apart.",
    )
    return found


def _files(place: Path) -> list[Path]:
    """The files that one argument means, in a fixed order."""
    if place.is_file():
        return [place]
    if place.is_dir():
        found = [path for path in place.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES]
    else:
        found = _matching(place)
    return sorted(path for path in found if not path.is_dir())


def _matching(pattern: Path) -> list[Path]:
    try:
        return list(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    except ValueError as error:
        raise UserError(
            f"expected a file, a folder or a glob pattern, got {pattern}: {error}"
        ) from error

"""Shared by the commands: parsing of arguments, devices, output and progress."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmpyramid.core.device import resolve_device as resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.core.text import shorten
from mmpyramid.media.streams import Tracks
from mmpyramid.render import FORMATS, marker_formats

OPTIONAL = "(optional)"
OptionalPath: TypeAlias = Annotated[
    Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint=OPTIONAL)
]
"""A path that may be left out."""
OptionalName: TypeAlias = Annotated[
    str | None, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint=OPTIONAL)
]
"""A name or a file that may be left out."""
OptionalNumber: TypeAlias = Annotated[
    float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint=OPTIONAL)
]
"""A number that may be left out."""


@dataclass(frozen=True, kw_only=True)
class TrackFlags:
    """Which of several pictures and sound tracks of a file are read."""

    audio_track: Annotated[
        str | None, tyro.conf.arg(metavar="N|all", help_behavior_hint=OPTIONAL)
    ] = None
    """The number of the sound track, counted from 1, or `all` to mix them. Without it the one that
    players play or, where that is silent, the first audible one."""
    video_track: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint=OPTIONAL)] = (
        None
    )
    """The number of the picture, counted from 1. Without it the one that players show."""

    def to_tracks(self) -> Tracks:
        """As `SegmentReader` takes them.

        Raises:
            UserError: if a number is none, or less than 1.
        """
        return Tracks.parse(self.video_track, self.audio_track)


def console() -> Console:
    """Standard output, without markup; file names of any bytes can be printed.

    Long lines are wrapped on a terminal only.
    """
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    plain = partial(Console, highlight=False, markup=False, emoji=False)
    out = plain()
    return out if out.is_terminal else plain(soft_wrap=True)


def write_json(path: Path, data: object) -> None:
    """Write a JSON file, with its folder."""
    write_file(path, (json.dumps(data, indent=2) + "\n").encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content, outlast_power_cuts=False)


FormatList: TypeAlias = Annotated[
    str, tyro.conf.arg(help=f"Comma-separated: {', '.join(FORMATS)}.", metavar="NAME,NAME")
]
"""Names of formats."""


OptionalPrograms: TypeAlias = Annotated[
    str | None,
    tyro.conf.arg(
        help=f"Comma-separated: {', '.join(marker_formats())}.",
        metavar="PROGRAM,PROGRAM",
        help_behavior_hint=OPTIONAL,
    ),
]
"""Names of programs."""


def to_marker_formats(programs: str | None) -> list[str]:
    """The formats of a comma-separated list of programs.

    Raises:
        UserError: if one is unknown; names those that may be meant.
        ModuleNotFoundError: if a format needs a package that is missing.
    """
    known = marker_formats()
    asked = [name.strip().lower() for name in (programs or "").split(",") if name.strip()]
    for name in asked:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? known are" if close else "known are"
            raise UserError(
                f"expected --markers-for to name a program, got {shorten(name)!r}; {hint} "
                f"{', '.join(known)}; other formats are chosen by --formats"
            )
    return to_formats(",".join(known[name] for name in asked)) if asked else []


def to_formats(formats: str) -> list[str]:
    """The formats of a comma-separated list, each once.

    Raises:
        UserError: if one is unknown, or there is none.
        ModuleNotFoundError: if one needs a package that is missing: before the work, not after it.
    """
    chosen = list(dict.fromkeys(name.strip() for name in formats.split(",") if name.strip()))
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown or not chosen:
        raise UserError(
            f"expected --formats out of {', '.join(FORMATS)}, got {', '.join(unknown) or 'none'}"
        )
    for name in chosen:
        if package := FORMATS[name].package:
            import_module(package)
    return chosen


def check_raw(formats: Iterable[str], *, raw: bool) -> None:
    """Check that there are cells that --raw is about.

    Raises:
        UserError: if there are none.
    """
    if raw and not any(FORMATS[name].for_spreadsheets for name in formats):
        known = ", ".join(name for name, each in FORMATS.items() if each.for_spreadsheets)
        raise UserError(
            f"--raw is about the cells of {known}; leave it out for {', '.join(formats)}"
        )


def raw_option(name: str, *, raw: bool) -> dict[str, Any]:
    """What --raw asks of the writer of a format."""
    return {"raw": True} if raw and FORMATS[name].for_spreadsheets else {}


def simulated(*folders: Path | None) -> str:
    """A warning to put before numbers: `simulated features, ` if a folder holds such, else ``."""
    from mmpyramid.store.source import find_marker

    return "simulated features, " if any(map(find_marker, filter(None, folders))) else ""


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function of (completed, total) that updates a bar, which terminals alone show."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda completed, total: bar.update(task, completed=completed, total=total)

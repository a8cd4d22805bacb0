"""Shared by the commands: flags, their values, and how results are printed and written."""

from __future__ import annotations

import difflib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias, get_type_hints

import tyro
from rich.console import Console

from mmpyramid.backbones.registry import FEATURE_SETS
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file, write_durably
from mmpyramid.core.progress import Level, change_display, is_quiet
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

OptionalInt: TypeAlias = Annotated[
    int | None, tyro.conf.arg(metavar="INT", help_behavior_hint=OPTIONAL)
]
"""A whole number that may be left out."""

OptionalNames: TypeAlias = Annotated[
    str | None, tyro.conf.arg(metavar="NAMES", help_behavior_hint="(default: by the files)")
]
"""Names for several files, comma-separated."""
Checkpoints: TypeAlias = Annotated[
    tuple[str, ...], tyro.conf.arg(metavar="STREAM=PATH ...", help_behavior_hint=OPTIONAL)
]
"""Which checkpoints compare with words, by stream."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """How much is said about the work, on the standard error."""

    _json_flag: ClassVar = "--json"

    quiet: bool = False
    """Print only errors; files are written as usual."""
    json: bool = False
    """Report progress, failures and written files as lines of JSON, for programs."""
    log_level: Level = "warning"
    """Show messages of this level and above."""

    def apply(self) -> None:
        """Show progress in this way.

        Raises:
            UserError: if flags contradict each other.
        """
        if self.quiet and self.json:
            raise UserError(
                f"expected --quiet or {self._json_flag}, got both; leave one of them out"
            )
        change_display(as_json=self.json, quiet=self.quiet, level=self.log_level)


@dataclass(frozen=True, kw_only=True)
class NumbersOutput(Output):
    """The same for commands whose `--json` is a file of numbers."""

    _json_flag: ClassVar = "--progress-json"

    json: Annotated[bool, tyro.conf.arg(name="progress-json")] = False
    """Report progress as lines of JSON, as `--json` of other commands does."""


OutputFlags = Annotated[Output, tyro.conf.arg(name="")]


def shows_progress(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the flags of `Output`."""

    @wraps(command)
    def with_flags(*args: Any, output: Output = Output(), **flags: Any) -> int:
        output.apply()
        return command(*args, **flags)

    signature = inspect.signature(command)
    more = inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY, default=Output())
    parameters = (*signature.parameters.values(), more.replace(annotation=OutputFlags))
    with_flags.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_flags.__annotations__ = {
        **get_type_hints(command, include_extras=True),
        "output": OutputFlags,
    }
    del with_flags.__wrapped__  # Tyro would look at it instead.
    return with_flags


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


@dataclass(frozen=True, kw_only=True)
class TextFlags:
    """Words instead of a vocabulary."""

    text: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="WORDS", help_behavior_hint="(optional, repeatable)"),
    ] = ()
    """Words to look and listen for, in English, instead of a vocabulary: `--text "a kettle
    whistling" --text "a red bus"`. CLAP and CLIP compare sound and picture with them (2.3 GB, extra
    `text`)."""
    checkpoints: Checkpoints = ()
    """Other checkpoints of `clap` and `clip` than the usual ones: folders in the format of the
    Hugging Face hub, or ids there."""

    def weights(self, *, alone: bool = False) -> dict[str, Path]:
        """The checkpoints by stream.

        Args:
            alone: whether they make sense without words.

        Raises:
            UserError: as `parse_checkpoints`, or if there are no words.
        """
        if self.checkpoints and not self.text and not alone:
            raise UserError("--checkpoints applies to --text only; leave it out")
        return parse_checkpoints(self.checkpoints)


def parse_checkpoints(pairs: Sequence[str]) -> dict[str, Path]:
    """The paths or hub ids of `STREAM=PATH`, by stream.

    Raises:
        UserError: if they are written in another way, or of other streams.

    Example:
        >>> parse_checkpoints(["clip=openai/clip-vit-base-patch16"])
        {'clip': PosixPath('openai/clip-vit-base-patch16')}
    """
    found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(found) < len(pairs) or not all(found.values()):
        raise UserError(
            f"expected --checkpoints STREAM=PATH, such as --checkpoints clip=FOLDER, got "
            f"{' '.join(pairs)}"
        )
    if unknown := sorted(found.keys() - {*FEATURE_SETS["text"]}):
        raise UserError(
            f"expected --checkpoints of {' or '.join(FEATURE_SETS['text'])}, got some for "
            f"{', '.join(unknown)}; leave them out"
        )
    return {stream: Path(source) for stream, source in found.items()}


class _Console(Console):
    """Leaves it to `main` to end where nobody reads the output."""

    def on_broken_pipe(self) -> None:
        """Raise the exception instead of exiting as Rich does."""
        raise


def console() -> Console:
    """Standard output, without markup; file names of any bytes can be printed.

    Long lines are wrapped on a terminal only.
    """
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    plain = partial(_Console, highlight=False, markup=False, emoji=False, quiet=is_quiet())
    out = plain()
    return out if out.is_terminal else plain(soft_wrap=True)


def check_output_files(*paths: Path | None) -> None:
    """Check before any work that files can be written; None is left out.

    Raises:
        UserError: if one cannot, or two are the same.
    """
    given: set[str] = set()
    for path in filter(None, paths):
        check_output_file(path)
        place = os.path.realpath(path)
        if place in given:
            raise UserError(f"expected different files to write, got {path} for both; name another")
        given.add(place)


def write_json(path: Path, data: object) -> None:
    """Write a JSON file, with its folder."""
    write_file(path, (json.dumps(data, indent=2) + "\n").encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content, outlast_power_cuts=False)


def print_written(path: Path) -> None:
    """Print the name of a file that is complete, unless it is what names are printed to."""
    if not _is_standard_output(path):
        console().print(str(path))


def _is_standard_output(path: Path) -> bool:
    """Whether a path stands for the standard output, as `/dev/stdout` does."""
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # There is no such file, or the output is none.
        return False


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
    if programs is None:
        return []
    names = [name.strip().lower() for name in programs.split(",")]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? known are" if close else "known are"
            raise UserError(
                f"expected --markers-for to name a program, got {shorten(name)!r}; {hint} "
                f"{', '.join(known)}; other formats are chosen by --formats"
            )
    return to_formats(",".join(known[name] for name in names))


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


def content_of(vocabulary: str | None) -> str | bytes | None:
    """What decides between two vocabularies: the content of a file, else the name."""
    is_file = vocabulary is not None and os.path.isfile(vocabulary)  # noqa: PTH113 - refuses no name
    return Path(vocabulary).read_bytes() if vocabulary and is_file else vocabulary


def files_of(model: str) -> tuple[object, ...]:
    """What tells a network in a folder from another that takes its place; nothing of a hub id."""
    if not os.path.isdir(model):  # noqa: PTH112 - refuses no name
        return ()
    found = ((path.name, path.stat()) for path in sorted(Path(model).iterdir()) if path.is_file())
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in found)


def check_raw(formats: Iterable[str], *, raw: bool) -> None:
    """Check that --raw applies to one of the formats.

    Raises:
        UserError: if there are none.
    """
    if raw and not any(FORMATS[name].for_spreadsheets for name in formats):
        known = ", ".join(name for name, each in FORMATS.items() if each.for_spreadsheets)
        raise UserError(
            f"--raw applies to the cells of {known}; leave it out for {', '.join(formats)}"
        )


def check_embed(formats: Iterable[str], *, embed: bool) -> None:
    """Check that --embed applies to one of the formats.

    Raises:
        UserError: if there is no page among them.
    """
    if embed and "html" not in formats:
        raise UserError(
            f"--embed applies to the page (html); leave it out for {', '.join(formats)}"
        )


def raw_option(name: str, *, raw: bool) -> dict[str, Any]:
    """The option of a format's writer that --raw sets, if it has one."""
    return {"raw": True} if raw and FORMATS[name].for_spreadsheets else {}


def simulated(*folders: Path | None) -> str:
    """A warning to put before numbers: `simulated features, ` if a folder holds such, else ``."""
    from mmpyramid.store.source import is_simulated

    return "simulated features, " if any(map(is_simulated, filter(None, folders))) else ""

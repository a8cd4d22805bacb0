"""`mmpyramid library`: many videos, parsed once and searched often."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.table import Table

from mmpyramid.cli._options import (
    OPTIONAL,
    OptionalName,
    OptionalPath,
    console,
    progress_bar,
    resolve_device,
    write_file,
)
from mmpyramid.cli.extract import EngineFlags
from mmpyramid.cli.main import run_one
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file
from mmpyramid.core.wording import MODALITY_WORDS, title_of

OVERVIEW = """usage: mmpyramid library add VIDEOS [VIDEOS ...] --out LIBRARY [options]
       mmpyramid library search LIBRARY [QUESTION] [options]
       mmpyramid library score LIBRARY [options]

Parse many videos once, and search what can be heard and seen in them.

Example: mmpyramid library search lib "Applause within 5 s of Singing"
"""
OptionalText = Annotated[str | None, tyro.conf.arg(metavar="STR", help_behavior_hint=OPTIONAL)]


def library(args: list[str]) -> int:
    """Run `mmpyramid library` with the arguments after it: one of its commands."""
    commands: dict[str, Callable[..., int]] = {"add": add, "search": search, "score": score}
    return run_one(commands, "library", OVERVIEW, args)


def add(
    videos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="VIDEOS [VIDEOS ...]", help_behavior_hint="(required)"),
    ],
    /,
    *,
    out: Path,
    model: OptionalText = None,
    vocabulary: OptionalName = None,
    engine: Annotated[EngineFlags, tyro.conf.arg(name="")] = EngineFlags(),  # noqa: B008 - frozen
    device: str = "cpu",
    retry_failed: bool = False,
) -> int:
    """Add videos to a library, which is made if it is not there.

    A run that was cut off goes on where it stopped. A bad file is reported and skipped.

    For instance: mmpyramid library add videos/ --out lib

    Args:
        videos: Files, folders (searched through, for whatever holds sound or moving pictures) or
            glob patterns.
        out: The library's folder.
        model: What scores a new library: `teachers`, or a checkpoint folder or hub id.
        vocabulary: What the teachers look for in a new library: a name or a file.
        engine: How many processes on which machines, and what a file may cost.
        device: Where networks run: auto, cpu, cuda or cuda:1.
        retry_failed: Try again what failed in an earlier run.
    """
    from mmpyramid.extract.corpus import ExtractionProgress
    from mmpyramid.library import Library

    if not videos:
        raise UserError("expected videos, got none; try `mmpyramid library add videos/ --out lib`")
    device = resolve_device(device)
    found = Library(out)
    if model or vocabulary or not found.exists:
        found.create(model or "teachers", vocabulary)
    with progress_bar("add") as update:

        def on_extract(done: ExtractionProgress) -> None:
            update(done.completed, done.total)
            if done.error:
                sys.stderr.write(f"mmpyramid library: {done.video_id} skipped: {done.error}\n")

        summary = found.add(
            videos,
            engine=engine.start(device),
            device=device,
            retry_failed=retry_failed,
            on_extract=on_extract,
            on_score=update,
        )
    console().print(
        f"{out}: {summary.done} added, {summary.skipped} were there already, "
        f"{len(summary.failed)} failed"
    )
    if summary.left_out:
        console().print(f"{out}: left out: {summary.left_out}")
    return 1 if summary.failed else 0


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What else has to hold."""

    heard: Annotated[bool | None, tyro.conf.arg(help_behavior_hint=OPTIONAL)] = None
    """Events that can be heard (`--heard True`), or that cannot while they are seen (`False`)."""
    seen: Annotated[bool | None, tyro.conf.arg(help_behavior_hint=OPTIONAL)] = None
    """Events that can be seen (`--seen True`), or that cannot while they are heard (`False`)."""
    also: Annotated[tuple[str, ...], tyro.conf.arg(metavar="LABEL ...", aliases=["--and"])] = ()
    """Labels that the video has as well, anywhere."""
    without: Annotated[tuple[str, ...], tyro.conf.arg(metavar="LABEL ...")] = ()
    """Labels that the video has nowhere."""
    min_length: float = 0.0
    """Seconds that the event lasts at least."""
    min_score: float = 0.0
    """Its score is at least this."""


def search(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LIBRARY")],
    question: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="QUESTION", help_behavior_hint=OPTIONAL),
    ] = None,
    /,
    *,
    conditions: Annotated[Conditions, tyro.conf.arg(name="")] = Conditions(),
    sql: OptionalText = None,
    limit: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint=OPTIONAL)] = None,
    to: Literal["table", "json", "csv", "html", "m3u"] = "table",
    out: OptionalPath = None,
) -> int:
    """Find moments: events by label, modality, length, and by what else is there.

    For instance: mmpyramid library search lib Dog --heard True --to html --out dogs.html

    Args:
        folder: The library's folder.
        question: A label in any case, or two: `Applause within 5 s of Singing`. Left out, any.
        conditions: What else has to hold.
        sql: An SQL statement instead, over `events` (video, label, modality, start, "end", score)
            and `videos` (video, path, duration).
        limit: At most so many.
        to: A table for people; JSON or CSV for programs; a page with players (html) or a playlist
            for VLC (m3u), which go into --out.
        out: A file instead of the terminal.
    """
    from mmpyramid.library import Library, Query
    from mmpyramid.library import search as find
    from mmpyramid.library.query import select
    from mmpyramid.library.results import TEXTS

    found = Library(folder)
    if out is not None:
        check_output_file(out)
    elif to in {"html", "m3u"}:
        raise UserError(f"--to {to} is a file; name it by --out, such as --out found.{to}")
    if limit is not None and limit < 1:
        raise UserError(f"expected --limit of at least 1, got {limit}")
    if sql is not None:
        if question is not None or conditions != Conditions() or to not in {"table", "json"}:
            raise UserError("--sql says all; give it alone, with --to table or json")
        columns, rows = select(found, sql)
        _show(_table(columns, rows) if to == "table" else _objects(columns, rows), out)
        return 0
    moments = find(found, Query.parse(question, **vars(conditions)), limit=limit)
    if to == "table":
        words = [
            (
                *(m.video, f"{m.start:g}", f"{m.end:g}", title_of(m.label)),
                *(MODALITY_WORDS[Modality(m.modality)], f"{m.score:.2f}"),
            )
            for m in moments
        ]
        _show(_table(("video", "start", "end", "label", "", "score"), words), out)
    else:
        _show(TEXTS[to](moments, out or Path(), question or "All events"), out)
    return 0


def score(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LIBRARY")],
    /,
    *,
    model: str = "teachers",
    vocabulary: OptionalName = None,
    device: str = "cpu",
) -> int:
    """Score a library anew, by another vocabulary or network; no video is read again.

    For instance: mmpyramid library score lib --vocabulary llp

    Args:
        folder: The library's folder.
        model: `teachers`, or a checkpoint folder or hub id.
        vocabulary: What the teachers look for: a name or a file.
        device: Where networks run: auto, cpu, cuda or cuda:1.
    """
    from mmpyramid.library import Library

    with progress_bar("score") as update:
        Library(folder).score(model, vocabulary, device=resolve_device(device), on_score=update)
    console().print(f"{folder}: scored by {model}{f' ({vocabulary})' if vocabulary else ''}")
    return 0


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    table.caption = f"{len(rows)} found"
    return table


def _objects(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    return json.dumps(objects, indent=2, default=str) + "\n"


def _show(what: Table | str, out: Path | None) -> None:
    if out is None:
        console().print(what, end="" if isinstance(what, str) else "\n")
        return
    if isinstance(what, Table):
        lines = console()
        with lines.capture() as captured:
            lines.print(what)
        what = captured.get()
    write_file(out, what.encode())
    console().print(str(out))

"""`mmpyramid library`: many videos, parsed once and searched often."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.table import Table

from mmpyramid.cli._options import (
    OPTIONAL,
    OptionalInt,
    OptionalName,
    OptionalPath,
    TextFlags,
    console,
    print_written,
    shows_progress,
    write_file,
)
from mmpyramid.cli.extract import EngineFlags, extraction_reporter, print_summary
from mmpyramid.cli.main import run_one
from mmpyramid.core import Modality
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file
from mmpyramid.core.progress import progress, report, report_failed
from mmpyramid.core.wording import MODALITY_WORDS, printable, title_of

if TYPE_CHECKING:
    from mmpyramid.library import Library, Query
    from mmpyramid.library.index import Description
    from mmpyramid.library.query import Moment

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


@shows_progress
def add(  # noqa: PLR0913 - one for each flag
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
    words: Annotated[TextFlags, tyro.conf.arg(name="")] = TextFlags(),  # noqa: B008 - frozen
    for_words: bool = False,
    engine: Annotated[EngineFlags, tyro.conf.arg(name="")] = EngineFlags(),  # noqa: B008 - frozen
    device: str = "cpu",
    retry_failed: bool = False,
) -> int:
    """Add videos to a library, which is made if it is not there.

    A run that was cut off continues where it stopped. A bad file is reported and skipped.

    For instance: mmpyramid library add videos/ --out lib

    Args:
        videos: Files, folders (searched through, for whatever holds sound or moving pictures) or
            glob patterns.
        out: The library's folder.
        model: What scores a new library: `teachers`, or a checkpoint folder or hub id.
        vocabulary: What the teachers look for in a new library: a name or a file.
        words: Words instead of a vocabulary, in a new library.
        for_words: Keep in a new library also the features that can be compared with words, for
            `library score --text` later on.
        engine: How many processes on which machines, and what a file may cost.
        device: Where networks run: auto, cpu, cuda or cuda:1.
        retry_failed: Retry videos that failed in an earlier run.
    """
    from mmpyramid.library import Library
    from mmpyramid.library.index import Description

    if not videos:
        raise UserError("expected videos, got none; try `mmpyramid library add videos/ --out lib`")
    device = resolve_device(device)
    found = Library(out)
    requested = _description(model or "teachers", vocabulary, words, for_words=for_words)
    if model or requested != Description() or not found.exists:
        found.create(requested)
    with progress("add") as update:
        summary = found.add(
            videos,
            engine=engine.start(device),
            device=device,
            retry_failed=retry_failed,
            on_extract=extraction_reporter(update, "library"),
            on_score=update,
        )
    print_summary(out, summary, "added")
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


@shows_progress
def search(  # noqa: PLR0913 - one for each flag
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LIBRARY")],
    question: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="QUESTION", help_behavior_hint=OPTIONAL),
    ] = None,
    /,
    *,
    conditions: Annotated[Conditions, tyro.conf.arg(name="")] = Conditions(),
    like: Annotated[
        str | None, tyro.conf.arg(metavar="CLIP@FROM-TO", help_behavior_hint=OPTIONAL)
    ] = None,
    sql: OptionalText = None,
    limit: OptionalInt = None,
    to: Literal["table", "json", "csv", "html", "m3u"] = "table",
    out: OptionalPath = None,
    cut: OptionalPath = None,
    device: str = "cpu",
) -> int:
    """Find moments: events by label, modality, length, and by what else is there.

    For instance: mmpyramid library search lib Dog --heard True --to html --out dogs.html

    Args:
        folder: The library's folder.
        question: A label in any case, or two: `Applause within 5 s of Singing`. Left out, any. A
            label that itself reads like that is put in double quotes.
        conditions: What else has to hold.
        like: Moments that look and sound like an example, the most similar first (10 unless --limit
            says otherwise): seconds of a file, or of a video in the library by its id, such as
            clip.mp4@12-15. With a question or conditions, among the events that these find.
        sql: A question in SQL instead (one SELECT), over `events` (video, label, modality, start,
            "end", score) and `videos` (video, path, duration).
        limit: At most this many moments.
        to: A table for people; JSON or CSV for programs; a page with players (html) or a playlist
            for VLC (m3u), which go into --out.
        out: A file instead of the terminal.
        cut: A folder into which the moments are cut out of their videos, a file each. Packets are
            copied where that is possible, so a cut begins at the key frame before its moment.
        device: Where networks run that look at the file of --like.
    """
    from mmpyramid.library import Library, Query
    from mmpyramid.library.query import TEXTS, select

    found = Library(folder)
    if out is not None:
        check_output_file(out)
    elif to in {"html", "m3u"}:
        raise UserError(f"--to {to} is a file; name it by --out, such as --out found.{to}")
    if limit is not None and limit < 1:
        raise UserError(f"expected --limit of at least 1, got {limit}")
    if device != "cpu" and like is None:
        raise UserError(f"--device {device} applies to --like only; leave it out")
    if sql is not None:
        others = (question, like, cut, limit)
        is_alone = conditions == Conditions() and all(each is None for each in others)
        if not is_alone or to not in {"table", "json"}:
            raise UserError(
                "--sql replaces all other conditions and --limit (write LIMIT); give it alone, "
                "with --to table or json"
            )
        columns, rows = select(found, sql)
        objects = [dict(zip(columns, row, strict=True)) for row in rows]
        as_json = json.dumps(objects, indent=2, default=str) + "\n"
        _show(_table(columns, rows) if to == "table" else as_json, out)
        return 0
    query = Query.parse(question, **vars(conditions))
    moments = _found(found, query, like, limit, device)
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
        title = query.in_words() + ("" if like is None else f", like {like}")
        _show(TEXTS[to](moments, out or Path(), title), out)
    return 0 if cut is None else _cut(moments, cut)


def _found(
    library: Library, query: Query, like: str | None, limit: int | None, device: str
) -> list[Moment]:
    """The moments that are asked for."""
    from mmpyramid.library import Query
    from mmpyramid.library import search as find

    if like is None:
        return find(library, query, limit=limit)
    from mmpyramid.library.similar import MOST, Example, find_similar

    similar = find_similar(
        library,
        Example.parse(like),
        limit=limit or 10,
        within=None if query == Query() else find(library, query),
        device=resolve_device(device),
    )
    if similar.num_seconds > MOST:
        report(
            f"mmpyramid library: {similar.num_seconds:,} seconds were compared one by one; beyond "
            f"{MOST:,}, an index of vectors (such as FAISS) over the features that `mmpyramid "
            "store export` writes answers sooner",
            {"seconds": similar.num_seconds},
        )
    return list(similar.moments)


def _cut(moments: Sequence[Moment], folder: Path) -> int:
    """Cut moments out, print the results, and return the exit code."""
    from mmpyramid.library.clips import cut_moments

    with progress("cut", unit="clips") as update:
        clips = []
        for number, clip in enumerate(cut_moments(moments, folder), 1):
            update(number, len(moments))
            if clip.failure:
                text = f"mmpyramid library: {clip.moment.video}: {clip.failure}"
                report_failed(clip.moment.video, clip.failure, text)
            clips.append(clip)
    made = [clip for clip in clips if clip.path is not None]
    early = max((clip.moment.start - clip.begin for clip in made if clip.is_copy), default=0.0)
    encoded = sum(not clip.is_copy for clip in made)
    text = f"{folder}: {len(made)} clips cut, {len(clips) - len(made)} failed"
    if early > 0:
        text += f"; copies begin at key frames, up to {early:.1f} s before the moment"
    if encoded:
        text += f"; {encoded} could not be copied and were encoded anew"
    console().print(text)
    return 0 if len(made) == len(clips) else 1


@shows_progress
def score(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="LIBRARY")],
    /,
    *,
    model: str = "teachers",
    vocabulary: OptionalName = None,
    words: Annotated[TextFlags, tyro.conf.arg(name="")] = TextFlags(),  # noqa: B008 - frozen
    device: str = "cpu",
) -> int:
    """Score a library anew, by another vocabulary or network; no video is read again.

    For instance: mmpyramid library score lib --vocabulary llp

    Args:
        folder: The library's folder.
        model: `teachers`, or a checkpoint folder or hub id.
        vocabulary: What the teachers look for: a name or a file.
        words: Words instead of a vocabulary; the library needs their features (`add --for-words`).
        device: Where networks run: auto, cpu, cuda or cuda:1.
    """
    from mmpyramid.library import Library

    requested = _description(model, vocabulary, words)
    with progress("score") as update:
        Library(folder).score(requested, device=resolve_device(device), on_score=update)
    console().print(f"{folder}: scored by {requested.scorer()}")
    return 0


def _description(
    model: str, vocabulary: str | None, words: TextFlags, *, for_words: bool = False
) -> Description:
    """What scores, as a library notes it."""
    from mmpyramid.library.index import Description

    weights = {stream: str(source) for stream, source in words.weights(alone=for_words).items()}
    return Description(
        model=model, vocabulary=vocabulary, text=words.text, weights=weights, words=for_words
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    table = Table(*map(printable, columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(printable(str(cell)) for cell in row))
    table.caption = f"{len(rows)} found"
    return table


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
    print_written(out)

"""`mmpyramid parse`: from videos to timelines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from mmpyramid.cli._options import console, run
from mmpyramid.decode import Decoder
from mmpyramid.errors import UserError
from mmpyramid.pipeline import Parsed, Pipeline
from mmpyramid.render import RENDERERS, TerminalView, render


def main(words: list[str]) -> int:
    """Run the command."""
    return run(parse, "parse", words)


def parse(
    videos: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    model: str = "teachers",
    out: Path = Path("timelines"),
    formats: str = "json,html",
    embed: bool = False,
    decoder: Annotated[Decoder, tyro.conf.arg(name="")] = Decoder(),  # noqa: B008 - frozen
) -> int:
    """Turn videos (or sound files) into timelines of what is heard, seen, and both.

    Prints each timeline and writes it as files. Without `--model`, pretrained classifiers of sounds
    and pictures score the 25 LLP labels; nothing has to be trained.

    Example: mmpyramid parse holiday.mp4 --out timelines --formats json,html,vtt

    Args:
        videos: The files.
        model: `teachers` (LLP labels), `teachers-ave` (AVE labels), a checkpoint folder, or a hub
            id.
        out: Folder for the files.
        formats: Comma-separated: csv, html, json, txt, vtt.
        embed: Put the video into the page instead of linking to it.
        decoder: Thresholds and lengths.
    """
    chosen = _formats(formats)
    if not videos:
        raise UserError(
            "expected one or more video files, got none; try `mmpyramid parse clip.mp4`"
        )
    screen = console()
    with screen.status("loading") as status:
        pipeline = Pipeline(model, decoder=decoder, hook=status.update)
    out.mkdir(parents=True, exist_ok=True)
    failed = sum(not _parse_one(video, pipeline, out, chosen, embed, screen) for video in videos)
    if failed:
        sys.stderr.write(f"mmpyramid parse: {failed} of {len(videos)} files could not be parsed\n")
    return 0 if not failed else 2 if failed == len(videos) else 1


def _parse_one(
    video: Path,
    pipeline: Pipeline,
    out: Path,
    formats: tuple[str, ...],
    embed: bool,
    screen: Console,
) -> bool:
    """Parse and write one file; a bad one is reported and does not stop the others."""
    try:
        with screen.status(f"{video.name}: extract") as status:
            pipeline.hook = lambda step: status.update(f"{video.name}: {step}")
            parsed = pipeline.run(video)
    except UserError as error:
        sys.stderr.write(f"mmpyramid parse: {error}\n")
        return False
    screen.print(TerminalView(parsed.timeline))
    for name in formats:
        path = out / f"{video.stem}.{name}"
        path.write_text(_text(parsed, name, video, embed), encoding="utf-8")
        screen.print(f"  {path}", style="dim")
    return True


def _text(parsed: Parsed, name: str, video: Path, embed: bool) -> str:
    if name == "html":
        return render(
            parsed.timeline, name, video=video.resolve(), embed=embed, scores=parsed.scores
        )
    return render(parsed.timeline, name)


def _formats(formats: str) -> tuple[str, ...]:
    chosen = tuple(name.strip() for name in formats.split(",") if name.strip())
    unknown = [name for name in chosen if name not in RENDERERS]
    if unknown:
        raise UserError(
            f"--formats has {', '.join(unknown)}, expected some of {', '.join(RENDERERS)}"
        )
    return chosen

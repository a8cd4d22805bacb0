"""`mmpyramid render`: a timeline in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import OptionalPath, console, run
from mmpyramid.errors import UserError
from mmpyramid.render import render as render_timeline
from mmpyramid.types import Timeline


def main(words: list[str]) -> int:
    """Run the command."""
    return run(render, "render", words)


def render(
    timeline: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    to: Literal["csv", "html", "json", "txt", "vtt"],
    out: OptionalPath = None,
    video: OptionalPath = None,
    embed: bool = False,
) -> int:
    """Write a timeline as csv, html, json, txt or vtt.

    Example: mmpyramid render timelines/clip.json --to vtt

    Args:
        timeline: The JSON that `mmpyramid parse` wrote.
        to: The format.
        out: The file to write; left out, beside the timeline.
        video: The video that the page plays; left out, the timeline's own source.
        embed: Put the video into the page instead of linking to it.
    """
    loaded = Timeline.load(timeline)
    text = _page(loaded, video, embed) if to == "html" else render_timeline(loaded, to)
    path = out or timeline.with_suffix(f".{to}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    console().print(str(path))
    return 0


def _page(timeline: Timeline, video: Path | None, embed: bool) -> str:
    """The page with its player, or without one if the timeline's own source has gone."""
    source = video or Path(timeline.source)
    if source.is_file():
        return render_timeline(timeline, "html", video=source.resolve(), embed=embed)
    if video or embed:
        raise UserError(f"there is no video {source}; give its path by --video")
    console().print(f"the page has no player: there is no video {source}; give it by --video")
    return render_timeline(timeline, "html")

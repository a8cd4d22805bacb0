"""`mmpyramid render`: a timeline in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from mmpyramid.cli._options import console, run
from mmpyramid.render import render as render_timeline
from mmpyramid.types import Timeline


def main(words: list[str]) -> int:
    """Run the command."""
    return run(render, "render", words)


def render(
    timeline: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    to: str,
    out: Path | None = None,
    video: Path | None = None,
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
    options: dict[str, Any] = {}
    if to == "html":
        source = video or Path(loaded.source)
        options = {"video": source.resolve(), "embed": embed} if source.is_file() else {}
    text = render_timeline(loaded, to, **options)
    path = out or timeline.with_suffix(f".{to}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    console().print(str(path))
    return 0

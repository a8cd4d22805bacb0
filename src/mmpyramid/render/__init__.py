"""Room 6: from a timeline to what people look at.

A renderer is a function of the timeline that returns text; writing the file is the caller's job.
The name of a format is also the suffix of its files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmpyramid.errors import UserError
from mmpyramid.render.html import to_html
from mmpyramid.render.tables import to_csv
from mmpyramid.render.terminal import TerminalView, to_text
from mmpyramid.render.webvtt import to_vtt
from mmpyramid.types import Timeline

__all__ = ["RENDERERS", "TerminalView", "render", "to_csv", "to_html", "to_text", "to_vtt"]

RENDERERS: dict[str, Callable[..., str]] = {
    "csv": to_csv,
    "html": to_html,
    "json": Timeline.to_json,
    "txt": to_text,
    "vtt": to_vtt,
}


def render(timeline: Timeline, format: str, **options: Any) -> str:  # noqa: A002
    r"""Write a timeline in one of the formats of `RENDERERS`.

    Args:
        timeline: what to write.
        format: a key of `RENDERERS`.
        **options: keyword arguments of that renderer, such as `video` of `to_html`.

    Raises:
        UserError: if the format is unknown.

    Example:
        >>> render(Timeline(), "csv")
        'label,modality,start,end,score\n'
    """
    if format not in RENDERERS:
        raise UserError(f"expected a format out of {', '.join(RENDERERS)}; got {format!r}")
    return RENDERERS[format](timeline, **options)

"""Timelines as files to download."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from urllib.parse import quote

from fastapi import Response

from mmpyramid.pipeline import Parsed
from mmpyramid.render import encode, to_html

TEXT = "text/plain"
TYPES = {"eaf": "text/xml", "md": TEXT, "srt": TEXT, "tsv": TEXT, "vtt": "text/vtt"}
"""Of formats for which Python's table differs between its versions."""


def as_file(parsed: Parsed, format: str) -> Response:  # noqa: A002
    """A timeline in one of `render.FORMATS`, named after its video.

    The page plays the video if it is put beside it.

    Raises:
        UserError: if the format is unknown.
    """
    source = parsed.timeline.source
    if format == "html":
        content = page_of(parsed, source).encode("utf-8")
    else:
        content = encode(parsed.timeline, format)
    name = quote(f"{Path(source).stem}.{format}")
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{name}"}
    return Response(content, media_type=media_type(f"a.{format}"), headers=headers)


def page_of(parsed: Parsed, video: str) -> str:
    """The page of a timeline, whose thresholds begin where those of the timeline are.

    Args:
        parsed: what to show.
        video: the address of the video, relative to the page.
    """
    return to_html(
        parsed.timeline,
        video=Path(video),
        embed=False,
        scores=parsed.scores,
        decoder=parsed.decoder,
    )


def media_type(name: str) -> str:
    """The media type of a file by its suffix.

    Example:
        >>> media_type("clip.vtt"), media_type("clip.json")
        ('text/vtt', 'application/json')
    """
    suffix = Path(name).suffix.removeprefix(".").lower()
    return TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"

"""Timelines as files to download."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from urllib.parse import quote

from fastapi import Response

from mmpyramid.formats import encode, find_format
from mmpyramid.pipeline import Parsed
from mmpyramid.render import to_html


def as_file(parsed: Parsed, format: str) -> Response:  # noqa: A002
    """A timeline as a file in one of `FORMATS`, named after its video.

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
    return Response(content, media_type=find_format(format).media_type, headers=headers)


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
    """The media type of an upload by its suffix.

    Example:
        >>> media_type("clip.mp3"), media_type("clip.mp4")
        ('audio/mpeg', 'video/mp4')
    """
    return mimetypes.guess_type(name)[0] or "application/octet-stream"

"""Timelines as files to download, by thresholds in the address, and as pages for a frame."""

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from mmpyramid.formats import FORMATS, encode, find_format
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder, Gate
from mmpyramid.render import to_html
from mmpyramid.web.access import visitor_of
from mmpyramid.web.visits import Result, Visit, Visits

Probability = Annotated[float, Query(ge=0, le=1)]
Seconds = Annotated[float, Query(ge=0)]


def decoder_of(
    threshold: Probability = 0.5,
    visual_threshold: Annotated[float | None, Query(ge=0, le=1)] = None,
    video_threshold: Probability = 0.5,
    gate: Gate | None = None,
    max_gap: Seconds = 0.0,
    min_length: Seconds = 0.0,
    sensitivity: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> Decoder:
    """The decoder that a request asks for.

    Example:
        >>> decoder_of(threshold=0.3).threshold
        0.3
    """
    decoder = Decoder(
        threshold=threshold,
        visual_threshold=visual_threshold,
        video_threshold=video_threshold,
        gate=gate,
        max_gap=max_gap,
        min_length=min_length,
    )
    return decoder if sensitivity is None else decoder.with_sensitivity(sensitivity)


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


def page_of(parsed: Parsed, video: str, files: Mapping[str, str] = MappingProxyType({})) -> str:
    """The page of a timeline, whose thresholds begin where those of the timeline are.

    Args:
        parsed: what to show.
        video: the address of the video, relative to the page.
        files: the addresses of the timeline in formats, by name.
    """
    return to_html(
        parsed.timeline,
        video=Path(video),
        embed=False,
        scores=parsed.scores,
        decoder=parsed.decoder,
        files=files,
    )


def playable_type(name: str) -> str:
    """The media type under which browsers play a file; they know MOV and M4V as MP4 only.

    Example:
        >>> playable_type("clip.mov"), playable_type("clip.webm")
        ('video/mp4', 'video/webm')
    """
    kind = mimetypes.guess_type(name)[0] or ""
    is_known = kind.startswith("audio/") or kind in {"video/webm", "video/ogg"}
    return kind if is_known else "video/mp4"


GONE = (
    "this timeline is no longer here: uploads and what was found in them are deleted when the page "
    "is closed or left alone for long; choose the file again"
)
LONGEST_NUMBER = 10
PRIVATE = {"Cache-Control": "no-store"}
"""The browser keeps nothing after the visit."""


def create_router(visits: Visits) -> APIRouter:
    """The routes below `/visits/TOKEN/NUMBER`, of one result each."""
    router = APIRouter(prefix="/visits/{token}/{number}", include_in_schema=False)

    def find(token: str, number: str, request: Request) -> Result:
        visit = visits.by_token(token, visitor_of(request))
        is_number = number.isascii() and number.isdecimal() and len(number) < LONGEST_NUMBER
        result = visit.results.get(int(number)) if visit is not None and is_number else None
        if result is None:
            raise HTTPException(404, GONE)
        return result

    Found = Annotated[Result, Depends(find)]

    @router.get("/page")
    def page(found: Found) -> HTMLResponse:
        timeline = found.parsed.timeline
        suitable = (name for name, form in FORMATS.items() if form.suits(timeline))
        files = {name: f"files/{name}" for name in suitable}
        return HTMLResponse(page_of(found.parsed, "media", files), headers=PRIVATE)

    @router.get("/media")
    def media(found: Found) -> FileResponse:
        kind = playable_type(found.video.path.name)
        return FileResponse(found.video.path, media_type=kind, headers=PRIVATE)

    @router.get("/files/{format}")
    def file(
        found: Found,
        decoder: Annotated[Decoder, Depends(decoder_of)],
        format: str,  # noqa: A002
    ) -> Response:
        response = as_file(found.parsed.decode_again(decoder), format)
        response.headers.update(PRIVATE)
        return response

    return router


def page_address(visit: Visit, result: Result) -> str:
    """Where a result of a visit is shown, relative to the app."""
    return f"visits/{visit.token}/{result.number}/page"

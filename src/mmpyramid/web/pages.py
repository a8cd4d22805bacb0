"""The timeline of a visit as a page for its frame, with the video and the files beside it."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse

from mmpyramid.web.downloads import as_file, media_type, page_of
from mmpyramid.web.visits import Result, Visit, Visits

GONE = (
    "this timeline is no longer here: uploads and what was found in them are deleted when the page "
    "is closed or left alone for long; choose the file again"
)
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""The browser keeps nothing after the visit, and believes no upload that claims to be a page."""


def create_router(visits: Visits) -> APIRouter:
    """The routes below `/visits/TOKEN`."""
    router = APIRouter(prefix="/visits/{token}", include_in_schema=False)

    def find(token: str) -> Result:
        visit = visits.by_token(token)
        result = None if visit is None else visit.result
        if result is None:
            raise HTTPException(404, GONE)
        return result

    Found = Annotated[Result, Depends(find)]

    @router.get("/page")
    def page(found: Found) -> HTMLResponse:
        return HTMLResponse(page_of(found.parsed, "media"), headers=PRIVATE)

    @router.get("/media")
    def media(found: Found) -> FileResponse:
        kind = media_type(found.video.path.name)
        # Browsers play MP4 and its relatives, MOV and M4V, only under this name.
        playable = kind.startswith("audio/") or kind in {"video/webm", "video/ogg"}
        return FileResponse(
            found.video.path, media_type=kind if playable else "video/mp4", headers=PRIVATE
        )

    @router.get("/files/{format}")
    def file(found: Found, format: str) -> Response:  # noqa: A002
        response = as_file(found.parsed, format)
        response.headers.update(PRIVATE)
        return response

    return router


def page_address(visit: Visit, result: Result) -> str:
    """Where a result of a visit is shown, relative to the app."""
    return f"visits/{visit.token}/page?version={result.version}"


def file_address(visit: Visit, result: Result, format: str) -> str:  # noqa: A002
    """Where it is downloaded in a format."""
    return f"visits/{visit.token}/files/{format}?version={result.version}"

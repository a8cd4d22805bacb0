"""Uploads and downloads of the app's page, which speaks to Gradio's addresses.

Gradio's own routes take a thousand files at once, leave those that break off, and name them by
paths of the server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from anyio import move_on_after
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, StreamingResponse

from mmpyramid.web.access import visitor_of
from mmpyramid.web.budget import Budget
from mmpyramid.web.limits import Limits
from mmpyramid.web.pages import playable_type
from mmpyramid.web.receiving import receive_file
from mmpyramid.web.route_filter import API
from mmpyramid.web.uploads import Uploads

FILE_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "sandbox"}
"""An upload that is opened as a page of its own runs no script here."""

UploadId = Annotated[str | None, Query(max_length=64)]
START_SECONDS = 3


def create_router(uploads: Uploads, budget: Budget, limits: Limits) -> APIRouter:
    """The routes of the page.

    Args:
        uploads: where files are.
        budget: what room they have.
        limits: how large one may be.
    """
    router = APIRouter(prefix=API, include_in_schema=False)
    under_way: dict[str, asyncio.Queue[tuple[str, int] | None]] = {}

    @router.post("/upload")
    async def upload(request: Request, upload_id: UploadId = None) -> list[str]:
        visitor = visitor_of(request)
        told: asyncio.Queue[tuple[str, int] | None] = asyncio.Queue()
        key = f"{visitor.id} {upload_id}"
        with budget.lease(visitor.address) as lease:
            under_way[key] = told
            try:
                stored = await receive_file(
                    request,
                    "files",
                    uploads,
                    lease,
                    owner=visitor.id,
                    limits=limits,
                    on_piece=lambda name, num_bytes: told.put_nowait((name, num_bytes)),
                )
            finally:
                told.put_nowait(None)
                del under_way[key]
            lease.keep()
        return [uploads.address(stored)]

    @router.get("/upload_progress")
    async def upload_progress(request: Request, upload_id: UploadId = None) -> StreamingResponse:
        key = f"{visitor_of(request).id} {upload_id}"
        with move_on_after(START_SECONDS):  # The page may ask before its upload begins.
            while key not in under_way:
                await asyncio.sleep(0.05)
        told = under_way.get(key)
        if told is None:  # It was a small one, which is over.
            told = asyncio.Queue()
            told.put_nowait(None)
        return StreamingResponse(_progress(told), media_type="text/event-stream")

    @router.get("/file={address:path}")
    def file(request: Request, address: str) -> FileResponse:
        stored = uploads.stored(address, visitor_of(request).id)
        if stored is None or not stored.path.is_file():
            raise HTTPException(404)
        return FileResponse(
            stored.path, media_type=playable_type(stored.path.name), headers=FILE_HEADERS
        )

    return router


async def _progress(told: asyncio.Queue[tuple[str, int] | None]) -> AsyncIterator[str]:
    """What the page shows while it uploads."""
    while piece := await told.get():
        message = {"msg": "update", "orig_name": piece[0], "chunk_size": piece[1]}
        yield f"data: {json.dumps(message)}\n\n"
    yield 'data: {"msg": "done"}\n\n'

"""What of Gradio visitors reach: the routes that its page needs, and own ones for its files.

Gradio's own routes of uploads and downloads take a thousand files at once, leave those that break
off, and name them by paths of the server.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from anyio import move_on_after
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, StreamingResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from mmpyramid.web.access import Visitor, route_of, visitor_of
from mmpyramid.web.limits import Budget, Limits
from mmpyramid.web.pages import playable_type
from mmpyramid.web.receiving import pieces, receive_files
from mmpyramid.web.uploads import Uploads
from mmpyramid.web.visits import Visits

API = "/gradio_api"

ROUTES: dict[str, tuple[str, ...]] = {
    r"(GET|HEAD) /": (),
    r"GET /(assets|static)/.+": (),
    r"GET /(theme\.css|manifest\.json|favicon\.ico)": (),
    rf"GET {API}/app_id": (),
    rf"GET {API}/heartbeat/(?P<session>[^/]+)": (),
    rf"GET {API}/queue/data": ("session_hash",),
}
"""Method and path of what is open as it is, with the parameters that are passed on."""

EVENT = rf"POST {API}/(queue/join|run/predict)"

EVENT_FIELDS = ("fn_index", "trigger_id", "session_hash")
LONGEST_EVENT = 100_000
"""Bytes; the page sends a few hundred."""

SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")

REPLACED_HEADERS = {b"content-type", b"content-length", b"transfer-encoding"}

WHOLE = {"text/html", "application/json", "error"}
"""Types of answers whose length is told, so that the whole of them is read before it is sent."""

MISTAKE = b'{"detail": "an internal error occurred on the server; reload the page and try again"}'
"""What visitors get of an error of Gradio, whose own words may name files and folders."""


class RouteFilter:
    """Lets through what the page needs; for everything else of Gradio the answer is 404.

    Gradio offers routes that read files, fetch addresses and start FFmpeg for whoever asks, and new
    versions add more. Uploads and downloads are received and sent here, by routes of our own. In
    the data of an event, a visitor may name own uploads only, and a session belongs to the browser
    that began it. Gradio's answers name files by addresses, never by paths of the server.

    Args:
        app: Gradio.
        uploads: what may be named.
        visits: whose sessions are whose.
    """

    def __init__(self, app: ASGIApp, uploads: Uploads, visits: Visits) -> None:
        self.app = app
        self._uploads, self._visits = uploads, visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        request = Request(scope, receive)
        route = f"{scope['method']} {route_of(scope)}"
        if re.fullmatch(EVENT, route):
            await self._pass_event(request, send)
            return
        for pattern, parameters in ROUTES.items():
            if found := re.fullmatch(pattern, route):
                watched = found.groupdict().get("session")
                if watched is not None:
                    self._claim(watched, visitor_of(request))
                if "session_hash" in parameters:
                    self._claim(request.query_params.get("session_hash", ""), visitor_of(request))
                answer = self._without_paths(send)
                with self._watching(watched, visitor_of(request)) if watched else nullcontext():
                    await self.app(_with_query(scope, parameters), receive, answer)
                return
        raise HTTPException(404)

    async def _pass_event(self, request: Request, send: Send) -> None:
        scope = request.scope
        try:
            body = await _body(request)
        except ClientDisconnect:
            return
        try:
            # Gradio gets what was checked, written anew, so that it cannot read it differently.
            event = json.dumps(self._checked(json.loads(body), visitor_of(request))).encode()
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "expected an event as JSON") from error
        scope = _with_query(scope, ())
        headers = [(k, v) for k, v in scope["headers"] if k not in REPLACED_HEADERS]
        length = str(len(event)).encode()
        scope["headers"] = [
            *headers,
            (b"content-type", b"application/json"),
            (b"content-length", length),
        ]
        is_sent = False

        async def receive_again() -> Message:
            nonlocal is_sent
            if is_sent:
                return await request.receive()
            is_sent = True
            return {"type": "http.request", "body": event, "more_body": False}

        await self.app(scope, receive_again, self._without_paths(send))

    @contextmanager
    def _watching(self, session: str, visitor: Visitor) -> Iterator[None]:
        """A heartbeat; when the last of a page breaks off, what the visitor left is deleted."""
        try:
            with self._visits.watching(session):
                yield
        finally:
            if not self._visits.is_here(visitor.id):
                self._uploads.forget(visitor.id)

    def _claim(self, session: Any, visitor: Visitor) -> None:
        if not isinstance(session, str) or not SESSION.fullmatch(session):
            raise HTTPException(422, "expected an event with `session_hash`")
        if self._visits.claim(session, visitor) is None:
            raise HTTPException(403, "this page is another visitor's; reload it")

    def _checked(self, event: Any, visitor: Visitor) -> dict[str, Any]:
        """An event with those fields that the page sends."""
        if not isinstance(event, dict) or not isinstance(event.get("data"), list):
            raise HTTPException(422, "expected an event with `data`")
        passed = {name: event[name] for name in EVENT_FIELDS if name in event}
        data = [self._checked_value(value, visitor) for value in event["data"]]
        self._claim(event.get("session_hash"), visitor)
        return {**passed, "data": data}

    def _checked_value(self, value: Any, visitor: Visitor) -> Any:
        """A number, a text, an upload, of which nothing but the path is passed on, or uploads."""
        if isinstance(value, list):
            if not all(isinstance(each, dict) for each in value):
                raise HTTPException(422, "expected a list of uploads")
            return [self._checked_value(each, visitor) for each in value]
        if not isinstance(value, dict):
            return value
        address = value.get("path")
        path = self._uploads.find(address, visitor.id) if isinstance(address, str) else None
        if path is None:
            raise HTTPException(403, "expected a file that was uploaded; choose it again")
        return {"path": str(path), "meta": {"_type": "gradio.FileData"}}

    def _without_paths(self, send: Send) -> Send:
        """Replace paths of uploads by their addresses, and errors by a text that names none."""
        start: Message = {}
        kind, body = "", b""

        async def send_without_paths(message: Message) -> None:
            nonlocal start, kind, body
            if message["type"] == "http.response.start":
                start = message
                kind = Headers(scope=start).get("content-type", "").partition(";")[0]
                if start["status"] >= 400:
                    kind = "error"
                    start["headers"] = [(b"content-type", b"application/json")]
                if kind not in WHOLE:
                    await send(start)
            elif kind not in WHOLE:  # An event of a stream is one message.
                text = kind == "text/event-stream"
                piece = message.get("body", b"")
                await send({**message, "body": self._uploads.hide_paths(piece) if text else piece})
            else:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                content = MISTAKE if kind == "error" else self._uploads.hide_paths(body)
                MutableHeaders(scope=start)["Content-Length"] = str(len(content))
                await send(start)
                await send({**message, "body": content})

        return send_without_paths


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in pieces(request):
        body += piece
        if len(body) > LONGEST_EVENT:
            raise HTTPException(413, f"expected an event of at most {LONGEST_EVENT} bytes")
    return body


def _with_query(scope: Scope, names: tuple[str, ...]) -> Scope:
    """The same request, of whose parameters only these are left."""
    query = parse_qsl(scope["query_string"].decode("latin-1"))
    passed = urlencode([(name, value) for name, value in query if name in names])
    return {**scope, "query_string": passed.encode("latin-1")}


FILE_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "sandbox"}
"""An upload that is opened as a page of its own runs no script here."""

UploadId = Annotated[str | None, Query(max_length=64)]
START_SECONDS = 3

Arrivals: TypeAlias = asyncio.Queue[tuple[str, int] | None]
"""The name of a file and the size of each piece of it that has arrived; None at the end."""


def create_router(uploads: Uploads, budget: Budget, limits: Limits) -> APIRouter:
    """The routes of the page's uploads and downloads, at Gradio's addresses.

    Args:
        uploads: where files are.
        budget: what room they have.
        limits: how large one may be.
    """
    router = APIRouter(prefix=API, include_in_schema=False)
    under_way: dict[str, Arrivals] = {}

    @router.post("/upload")
    async def upload(request: Request, upload_id: UploadId = None) -> list[str]:
        arrived: Arrivals = asyncio.Queue()
        key = f"{visitor_of(request).id} {upload_id}"
        under_way[key] = arrived
        try:
            stored = await receive_files(
                request,
                "files",
                uploads,
                budget,
                limits=limits,
                most=limits.max_each,
                on_piece=lambda name, num_bytes: arrived.put_nowait((name, num_bytes)),
            )
        finally:
            arrived.put_nowait(None)
            if under_way.get(key) is arrived:  # Else it is another upload of the same name.
                del under_way[key]
        return [uploads.address(each) for each in stored]

    @router.get("/upload_progress")
    async def upload_progress(request: Request, upload_id: UploadId = None) -> StreamingResponse:
        key = f"{visitor_of(request).id} {upload_id}"
        with move_on_after(START_SECONDS):  # The page may ask before its upload begins.
            while key not in under_way:
                await asyncio.sleep(0.05)
        arrived = under_way.get(key)
        if arrived is None:  # It was a small one, which is over.
            arrived = asyncio.Queue()
            arrived.put_nowait(None)
        return StreamingResponse(_progress(arrived), media_type="text/event-stream")

    @router.get("/file={address:path}")
    def file(request: Request, address: str) -> FileResponse:
        stored = uploads.stored(address, visitor_of(request).id)
        if stored is None or not stored.path.is_file():
            raise HTTPException(404)
        return FileResponse(
            stored.path, media_type=playable_type(stored.path.name), headers=FILE_HEADERS
        )

    return router


async def _progress(arrived: Arrivals) -> AsyncIterator[str]:
    """What the page shows while it uploads."""
    while piece := await arrived.get():
        message = {"msg": "update", "orig_name": piece[0], "chunk_size": piece[1]}
        yield f"data: {json.dumps(message)}\n\n"
    yield 'data: {"msg": "done"}\n\n'

"""ASGI middleware around Gradio: only routes that the page needs, only paths of uploads."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import HTTPException, Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from mmpyramid.web.uploads import Uploads

API = "/gradio_api"

ROUTES: dict[str, tuple[str, ...]] = {
    r"(GET|HEAD) /": (),
    r"GET /(assets|static)/.+": (),
    r"GET /(theme\.css|manifest\.json|favicon\.ico)": (),
    rf"GET {API}/app_id": (),
    rf"GET {API}/heartbeat/[^/]+": (),
    rf"GET {API}/queue/data": ("session_hash",),
    rf"POST {API}/upload": ("upload_id",),
    rf"GET {API}/upload_progress": ("upload_id",),
}
"""Method and path of what is open as it is, with the parameters that are passed on."""

FILE = rf"GET {API}/file=(?P<path>.+)"
EVENT = rf"POST {API}/(queue/join|run/predict)"

EVENT_FIELDS = ("fn_index", "trigger_id", "session_hash")
LONGEST_EVENT = 100_000
"""Bytes; the page sends a few hundred."""

REPLACED_HEADERS = {b"content-type", b"content-length", b"transfer-encoding"}
FILE_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""An upload that is opened as a page of its own runs no script here."""


class RouteFilter:
    """Lets through what the page needs; for everything else of Gradio the answer is 404.

    Gradio offers routes that read files, fetch addresses and start FFmpeg for whoever asks, and new
    versions add more. Files are named by visitors in two places, in the address of a download and
    in the data of an event. There, only uploads may be named.

    Args:
        app: Gradio.
        uploads: what may be named.
    """

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self.app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        request = f"{scope['method']} {scope['path']}"
        if re.fullmatch(EVENT, request):
            await self._pass_event(scope, receive, send)
        elif found := re.fullmatch(FILE, request):
            if not self._uploads.is_received(found["path"], missing_ok=False):
                raise HTTPException(404)
            await self.app(_with_query(scope, ()), receive, _with_headers(send))
        else:
            parameters = next((p for r, p in ROUTES.items() if re.fullmatch(r, request)), None)
            if parameters is None:
                raise HTTPException(404)
            await self.app(_with_query(scope, parameters), receive, send)

    async def _pass_event(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(Request(scope, receive))
        except ClientDisconnect:
            return
        try:
            # Gradio gets what was checked, written anew, so that it cannot read it differently.
            event = json.dumps(self._checked(json.loads(body))).encode()
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
                return await receive()
            is_sent = True
            return {"type": "http.request", "body": event, "more_body": False}

        await self.app(scope, receive_again, send)

    def _checked(self, event: Any) -> dict[str, Any]:
        """An event with those fields that the page sends."""
        if not isinstance(event, dict) or not isinstance(event.get("data"), list):
            raise HTTPException(422, "expected an event with `data`")
        passed = {name: event[name] for name in EVENT_FIELDS if name in event}
        return {**passed, "data": [self._checked_value(value) for value in event["data"]]}

    def _checked_value(self, value: Any) -> Any:
        """A number, a text or an upload, of which nothing but the path is passed on."""
        if isinstance(value, list):
            raise HTTPException(422, "expected numbers, texts and uploads, got a list")
        if not isinstance(value, dict):
            return value
        path = value.get("path")
        if not isinstance(path, str) or not self._uploads.is_received(path):
            raise HTTPException(403, "expected a file that was uploaded; choose it again")
        return {"path": path, "meta": {"_type": "gradio.FileData"}}


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_EVENT:
            raise HTTPException(413, f"expected an event of at most {LONGEST_EVENT} bytes")
    return body


def _with_query(scope: Scope, names: tuple[str, ...]) -> Scope:
    """The same request, of whose parameters only these are left."""
    query = parse_qsl(scope["query_string"].decode("latin-1"))
    passed = urlencode([(name, value) for name, value in query if name in names])
    return {**scope, "query_string": passed.encode("latin-1")}


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(FILE_HEADERS)
        await send(message)

    return send_with_headers

"""Bodies of requests: of bounded size, at a least rate, and files from forms straight to the disk.

Starlette reads whole forms before anything is known about them, of up to a thousand files, and
waits for ever for the next byte. Here a sender must keep up a rate from the beginning, a form holds
few files, and what is refused leaves nothing.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import BinaryIO

from anyio import fail_after, move_on_after, to_thread
from fastapi import HTTPException, Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmpyramid.web.access import visitor_of
from mmpyramid.web.limits import Budget, Limits
from mmpyramid.web.uploads import Stored, Uploads

GRACE_SECONDS = 10
LEAST_RATE = 10_000
"""Bytes per second, 80 kbit/s, that a body must come at after the first seconds."""

SILENT_SECONDS = 30
"""How long a sender may pause, however much came before."""

LINGER_SECONDS = 2
"""How long a connection stays open for somebody who still sends when the answer is there."""

TAKE_SECONDS = 60
"""How long a visitor may take nothing of an answer that is ready."""

FAULT = 500
"""The status of answers to what failed with an exception."""

OVERHEAD = 10_000
"""Bytes of a form that are not the file."""

LONGEST_HEAD = 8000
"""Bytes of the head of one part of a form."""


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body of a request as it comes.

    Raises:
        HTTPException: if it comes too slowly.
        ClientDisconnect: if the sender is gone.
    """
    begun, num_bytes = time.monotonic(), 0
    more = True
    while more:
        now = time.monotonic()
        left = begun + GRACE_SECONDS + num_bytes / LEAST_RATE - now
        try:
            with fail_after(min(left, SILENT_SECONDS)):
                message = await request.receive()
        except TimeoutError as error:
            raise HTTPException(
                408,
                f"only {num_bytes} bytes came in {time.monotonic() - begun:.0f} s, and at least "
                f"{LEAST_RATE} are expected every second; send it again by a faster line",
            ) from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        num_bytes += len(piece)
        more = message.get("more_body", False)
        if piece:
            yield piece


async def receive_files(
    request: Request,
    field: str,
    uploads: Uploads,
    budget: Budget,
    *,
    limits: Limits,
    most: int = 1,
    on_piece: Callable[[str, int], None] | None = None,
) -> list[Stored]:
    """Write the files of a multipart form to the disk as they come; all of them, or none.

    Args:
        request: whose body is the form.
        field: the name of the form's fields.
        uploads: where the files go; they belong to the visitor who sends them.
        budget: what room they have.
        limits: how large each may be.
        most: how many there may be.
        on_piece: called with the name of the file and the size of each piece.

    Raises:
        HTTPException: if the body is no such form, or comes too slowly.
        TooLargeError: if a file is too large.
        TooManyError: if the visitor has as many files as one may have.
        NoSpaceError: if there is no room for them.
    """
    visitor = visitor_of(request)
    promised = int(request.headers.get("content-length", "0"))
    limits.check_size(promised // most - OVERHEAD)
    stored: list[Stored] = []
    with ExitStack() as opened:
        lease = opened.enter_context(budget.lease(visitor.address))
        lease.grow(promised)
        form = FileForm(request.headers.get("content-type", ""), field, most)
        file: BinaryIO | None = None
        num_bytes, sizes = 0, [0] * most
        async for piece in pieces(request):
            num_bytes += len(piece)
            limits.check_size(num_bytes // most - OVERHEAD)
            if num_bytes > promised:  # Chunked, so that no header told its size.
                lease.grow(len(piece))
            for number, content in form.feed(piece):
                sizes[number] += len(content)
                limits.check_size(sizes[number])
                if number == len(stored):
                    own = lease if number == 0 else budget.lease(visitor.address)
                    received = uploads.receive(form.names[number], visitor.id, own)
                    stored.append(opened.enter_context(received))
                    file = opened.enter_context(stored[-1].path.open("wb"))
                assert file is not None, "the first piece of a file opens it"
                await to_thread.run_sync(file.write, content)
                if on_piece is not None:
                    on_piece(form.names[number], len(content))
        form.finish()
        lease.keep()
    return stored


class FileForm:
    r"""A multipart form with files, read piece by piece.

    Args:
        content_type: the header of the request.
        field: the name of the fields.
        most: how many files there may be.

    Attributes:
        names: of the files, as far as they are known.

    Raises:
        HTTPException: if it is none; so does `feed`.

    Example:
        >>> form = FileForm("multipart/form-data; boundary=x", "video")
        >>> head = b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"'
        >>> form.feed(head + b"\r\n\r\ncontent"), form.names
        ([(0, b''), (0, b'content')], ['a.mp4'])
    """

    def __init__(self, content_type: str, field: str, most: int = 1) -> None:
        self._field, self._most = field, most
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise self._refusal(400, "another type of body")
        self.names: list[str] = []
        self._num_parts = 0
        self._head: dict[bytes, bytes] = {}
        self._key, self._value = b"", b""
        self._content: list[tuple[int, bytes]] = []
        self._finished = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._read_key,
                    "on_header_value": self._read_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_head,
                    "on_part_data": self._read_content,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise self._refusal(400, "a bad boundary") from error

    def feed(self, piece: bytes) -> list[tuple[int, bytes]]:
        """Yield the parts of files in a piece of the body, each with the number of its file.

        A file begins with nothing, so that one without content is known as well.
        """
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise self._refusal(400, "something that is no form") from error
        content, self._content = self._content, []
        return content

    def finish(self) -> None:
        """Check that the form was whole."""
        if not self._finished:
            raise self._refusal(400, "a form that breaks off")
        if not self.names:
            raise self._refusal(422, "no field")

    def _begin_part(self) -> None:
        if self._num_parts == self._most:
            raise self._refusal(422, "more than one field" if self._most == 1 else "more")
        self._num_parts += 1
        self._head = {}

    def _read_key(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]
        self._check_head()

    def _read_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_head()

    def _end_header(self) -> None:
        self._head[self._key.lower()] = self._value
        self._key, self._value = b"", b""

    def _end_head(self) -> None:
        _, options = parse_options_header(self._head.get(b"content-disposition", b""))
        if options.get(b"name") != self._field.encode():
            raise self._refusal(422, "another field")
        if b"filename" not in options:
            raise self._refusal(422, "a field that is no file")
        self.names.append(options[b"filename"].decode("utf-8", "replace"))
        self._content.append((len(self.names) - 1, b""))

    def _read_content(self, data: bytes, start: int, end: int) -> None:
        self._content.append((len(self.names) - 1, data[start:end]))

    def _end(self) -> None:
        self._finished = True

    def _check_head(self) -> None:
        size = len(self._key) + len(self._value)
        if size + sum(len(key) + len(value) for key, value in self._head.items()) > LONGEST_HEAD:
            raise self._refusal(400, "a part with a long head")

    def _refusal(self, status: int, got: str) -> HTTPException:
        files = "one file" if self._most == 1 else f"1 to {self._most} files"
        return HTTPException(
            status,
            f"expected a multipart form with {files}, as `{self._field}`, got {got}; see /docs",
        )


class LingeringClose:
    """ASGI middleware that reads on for a moment after an answer, and gives up on slow readers.

    Who still sends when the answer is there may miss it if the connection closes at once; who takes
    nothing of it may not keep it open.

    Args:
        app: answers.
        most_bytes: how much to read on for the first.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        is_coming = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"

        async def watch() -> Message:
            nonlocal is_coming
            message = await receive()
            is_coming = is_coming and message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            # After a fault, Uvicorn closes the connection: no request may be on its way by then.
            is_start = message["type"] == "http.response.start"
            if is_start and (is_coming or message["status"] == FAULT):
                MutableHeaders(scope=message)["Connection"] = "close"
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and is_coming:
                await send({**message, "more_body": True})
                await self._read_on(watch)
                message = {**message, "body": b""}
            with fail_after(TAKE_SECONDS):
                await send(message)

        await self.app(scope, watch, answer)

    async def _read_on(self, receive: Receive) -> None:
        left = self._most_bytes
        with move_on_after(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return

"""Connections of visitors: how many, and how long the head of a request may take.

Uvicorn bounds neither the connections of one address nor the time for the head of a request. It
takes any `asyncio.Protocol`, so here one stands around its own and passes everything on.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD_SECONDS = 10
"""How long the head of a request may take; Uvicorn itself waits for ever."""

LAST_SECONDS = 5
"""How long an answer may take to a visitor who will send no more, who may be gone altogether."""

MOST_CONNECTIONS = 800
MOST_EACH = 100
"""A page of the app keeps three open."""

SPARE_FILES = 200
"""Files that the server opens besides connections."""

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 60\r\n"
    b"Content-Type: application/json\r\nContent-Length: 49\r\n\r\n"
    b'{"detail": "too many connections are open to us"}'
)

Peer: TypeAlias = tuple[str, int]
"""Address and port at the other end of a connection."""


class Connections:
    """All connections of a server; the outermost ASGI middleware, called once a head is whole.

    Args:
        app: answers.
        proxies: addresses that connect for many visitors, which have no bound of their own.

    Example:
        >>> connections = Connections(app)  # doctest: +SKIP
        >>> config = connections.watched(uvicorn.Config(connections))  # doctest: +SKIP
    """

    def __init__(self, app: ASGIApp, proxies: Collection[str] = ()) -> None:
        self.app, self._proxies = app, proxies
        self._open: dict[Peer, _Connection] = {}
        self._num_each: Counter[str] = Counter()

    def watched(self, config: uvicorn.Config) -> uvicorn.Config:
        """Make a server count its connections here, whatever its HTTP protocol."""
        config.load()
        inner = config.http_protocol_class

        def protocol(**options: Any) -> asyncio.Protocol:
            return _Connection(inner(**options), self)

        config.http_protocol_class = cast(type[asyncio.Protocol], protocol)
        return config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        connection = self._open.get(scope["client"]) if scope["type"] == "http" else None
        if connection is None:
            await self.app(scope, receive, send)
            return
        connection.begin_request()

        async def counted() -> Message:
            assert connection is not None
            with connection.waiting():
                message = await receive()
            connection.has_body = not message.get("more_body", False)
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            connection.end_request()

    def add(self, peer: Peer, connection: _Connection) -> bool:
        """Count a connection, unless there are too many."""
        is_full = len(self._open) >= most_connections()
        if is_full or (self._num_each[peer[0]] >= MOST_EACH and peer[0] not in self._proxies):
            return False
        self._open[peer] = connection
        self._num_each[peer[0]] += 1
        return True

    def remove(self, peer: Peer) -> None:
        """Forget a connection that was counted."""
        del self._open[peer]
        self._num_each[peer[0]] -= 1
        if not self._num_each[peer[0]]:
            del self._num_each[peer[0]]


class _Connection(asyncio.Protocol):
    """One connection, which is closed if the head of a request takes too long."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self._inner, self._connections = inner, connections
        self._peer: Peer | None = None
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._last: asyncio.TimerHandle | None = None
        self._num_requests = 0
        self.has_body = self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        if name is None:  # It is gone already.
            self._transport.abort()
            return
        peer: Peer = name[:2]
        if not self._connections.add(peer, self):
            self._transport.write(REFUSAL)
            self._transport.close()
            return
        self._peer = peer
        self._inner.connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._inner.data_received(data)
            # Of a head that is whole, the request begins in a moment, which ends this.
            self._expect_head()

    def eof_received(self) -> bool:
        """Keep a connection open for an answer, though its visitor sends no more or is gone."""
        if self._transport is None or not self._num_requests or self._is_cut_off:
            return False
        if self._last is None:
            loop = asyncio.get_running_loop()
            self._last = loop.call_later(LAST_SECONDS, self._transport.abort)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        if self._last is not None:
            self._last.cancel()
        if self._peer is not None:
            self._connections.remove(self._peer)
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def begin_request(self) -> None:
        self._num_requests += 1
        self.has_body = False
        self._stop_expecting()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark the connection as waiting for more from the visitor."""
        self._is_waiting = True
        if self._last is not None:
            # What has come is handed over at once; of the rest nothing will.
            asyncio.get_running_loop().call_soon(self._end_if_cut_off)
        try:
            yield
        finally:
            self._is_waiting = False

    def end_request(self) -> None:
        self._num_requests -= 1
        if self._last is not None:
            # A request that came with this one begins first.
            asyncio.get_running_loop().call_soon(self._end_if_answered)

    @property
    def _is_cut_off(self) -> bool:
        """Whether the rest of a body is awaited."""
        return self._is_waiting and not self.has_body

    def _end_if_cut_off(self) -> None:
        if self._is_cut_off and self._transport is not None:
            self._transport.abort()

    def _end_if_answered(self) -> None:
        if not self._num_requests and self._transport is not None:
            self._transport.close()

    def _expect_head(self) -> None:
        if self._deadline is None and not self._num_requests:
            assert self._transport is not None
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(HEAD_SECONDS, self._transport.abort)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def most_connections() -> int:
    """How many connections may be open: fewer than files may."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    known = soft if soft != resource.RLIM_INFINITY else MOST_CONNECTIONS + SPARE_FILES
    return max(1, min(MOST_CONNECTIONS, known - SPARE_FILES))

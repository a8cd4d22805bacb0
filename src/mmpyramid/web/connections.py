"""Connections of visitors: how many, and how long they may take to say what they want."""

from __future__ import annotations

import asyncio
import resource

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10
"""How long the head of a request may take; Uvicorn itself waits for ever."""

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


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 of Uvicorn, with a deadline for heads and a bound on connections.

    Attributes:
        proxies: addresses that connect for many visitors, which have no bound of their own.
    """

    proxies: tuple[str, ...] = ()
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        others = (c.client for c in self.connections if isinstance(c, H11Protocol) and c.client)
        same = sum(address == peer for address, _ in others)
        if len(self.connections) > most_connections() or (
            same > MOST_EACH and peer not in self.proxies
        ):
            transport.write(REFUSAL)
            transport.close()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take what comes on a connection."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_head()
        else:
            self._stop_expecting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_expecting()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: there is no WebSocket here, and the request is answered like any other."""


def most_connections() -> int:
    """How many connections may be open: fewer than files may."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    known = soft if soft != resource.RLIM_INFINITY else MOST_CONNECTIONS + SPARE_FILES
    return max(1, min(MOST_CONNECTIONS, known - SPARE_FILES))

"""One line of JSON for each request, which tells nothing that opens a door."""

from __future__ import annotations

import json
import logging
import re
import time
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECRET = re.compile(r"(?<=/visits/)[^/]+|(?<=/heartbeat/)[^/]+|(?<=/file=).*")
"""Parts of paths that name a visit or an upload."""

LONGEST_PATH = 200

log = logging.getLogger(__name__)


class AccessLog:
    """ASGI middleware that writes a line when a request is over.

    Args:
        app: answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http" or not log.isEnabledFor(logging.INFO):
            await self.app(scope, receive, send)
            return
        begun, status = time.monotonic(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "client": scope["client"][0] if scope["client"] else "",
                "method": scope["method"],
                "path": SECRET.sub("*", scope["path"])[:LONGEST_PATH],
                "status": status,
                "ms": round(1000 * (time.monotonic() - begun), 1),
            }
            log.info(json.dumps(line))

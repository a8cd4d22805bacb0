"""What browsers are told about every answer: what it may load, and who may show it."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmpyramid.web.access import route_of

INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(self), microphone=(self), accelerometer=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), midi=(), payment=(), usb=()"
    ),
}
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For what is no page: data, scripts, media."""

WORKER = (
    "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; connect-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For scripts of Gradio, of which one is a worker: FFmpeg in the browser, to trim a video."""

FRAMED = "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
"""For the page of a timeline, which says itself what it loads, and stands in a frame of the app."""


class SecurityHeaders:
    """ASGI middleware that adds the headers, with a policy for the scripts of own pages.

    The pages of the app and of the documentation have scripts in them, which are the same for every
    visitor, and whose hashes the policy names. Gradio compiles templates of HTML components and
    sets styles in attributes, hence 'unsafe-eval' and styles 'unsafe-inline'.

    Args:
        app: answers.
        handlers: scripts in attributes of the app's page.
    """

    def __init__(self, app: ASGIApp, handlers: tuple[str, ...]) -> None:
        self.app = app
        self._handlers = " ".join(hash_source(handler.encode()) for handler in handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = route_of(scope)
        start: Message | None = None
        body = b""

        async def send_with_headers(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in COMMON.items():
                    headers.setdefault(name, value)
                if is_page(headers) and not route.startswith("/visits/"):
                    start = message
                    return
                policy = FRAMED if is_page(headers) else NOTHING
                if route.startswith("/assets/"):
                    policy = WORKER
                headers.setdefault("Content-Security-Policy", policy)
                headers.setdefault("X-Frame-Options", "SAMEORIGIN" if is_page(headers) else "DENY")
            elif start is not None:
                # The policy stands before the page, so the page is here as a whole first.
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                headers = MutableHeaders(scope=start)
                headers["Content-Security-Policy"] = self.policy(body)
                headers["X-Frame-Options"] = "DENY"
                await send(start)
                start, message = None, {**message, "body": body}
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def policy(self, page: bytes) -> str:
        """What a page of the app or of the documentation may load."""
        scripts = " ".join(dict.fromkeys(hash_source(found[1]) for found in INLINE.finditer(page)))
        return (
            "default-src 'none'; "
            f"script-src 'self' 'unsafe-eval' 'unsafe-hashes' {self._handlers} {scripts}; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
            "media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
            "worker-src 'self' blob:; manifest-src 'self'; frame-src 'self'; "
            "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
        )


def is_page(headers: MutableHeaders) -> bool:
    """Whether an answer is a page of HTML that is shown, and no file to download."""
    is_html = headers.get("content-type", "").startswith("text/html")
    return is_html and "content-disposition" not in headers


def hash_source(script: bytes) -> str:
    """A script as a source of a policy.

    Source: W3C, Content Security Policy Level 3, hash sources.
    """
    digest = base64.b64encode(hashlib.sha256(script).digest())
    return f"'sha256-{digest.decode('ascii')}'"

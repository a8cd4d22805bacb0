"""The doors of the server: who may come in, what browsers are told, and a line in the log for each.

A page of a stranger can send requests to a server on this machine or behind this firewall, with the
visitor's own browser. Three checks stop it. The name in `Host` must be one of the server's: a name
that a stranger made point here is not (DNS rebinding). `Origin` and `Sec-Fetch-Site`, which pages
cannot forge, must not tell of another site. And a token, where one is asked for, is kept in a
cookie that other sites' requests do not carry.

Every answer tells browsers what it may load, and who may show it. The log has one line of JSON for
each request, which tells nothing that opens a door.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import logging
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from mmpyramid.web.policy import LOOPBACK, Policy, host_of

OPEN = ("/health",)
"""Paths that answer without a token."""

FORWARDED = (b"forwarded", b"x-forwarded-", b"x-gradio-")
"""How headers begin that only a proxy may send."""

MOST_HEADERS = 100

SINGLE = ("origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "authorization")
"""Headers of which two would be read differently by different programs."""

SITES = {None, "same-origin", "none"}
"""What `Sec-Fetch-Site` says of own requests; `none` is a person who typed the address."""


@dataclass(frozen=True)
class Visitor:
    """Who sends a request.

    Attributes:
        address: where from, for what is shared out; of IPv6, the first half.
        id: for what is private: a browser by its cookie, and others by their address.
    """

    address: str
    id: str


def visitor_of(request: HTTPConnection) -> Visitor:
    """The visitor that `Access` let in."""
    visitor: Visitor = request.scope["state"]["visitor"]
    return visitor


class Forwarded:
    """ASGI middleware that accepts forwarding headers of trusted proxies only.

    Args:
        app: learns from the scope who the visitor is, and where the proxy puts the server.
        policy: which proxies are trusted, and the root path.
    """

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app, self._policy = app, policy
        self._trusted: Any = ProxyHeadersMiddleware(cast(Any, app), list(policy.proxies))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = {**scope, **_paths(scope["path"], self._policy.root_path)}
        if scope["client"] and scope["client"][0] in self._policy.proxies:
            await self._trusted(scope, receive, send)
            return
        kept = [header for header in scope["headers"] if not header[0].startswith(FORWARDED)]
        await self.app({**scope, "headers": kept}, receive, send)


class Access:
    """ASGI middleware that lets in whom a `Policy` allows, and tells the app who it is.

    Args:
        app: what is behind the door.
        policy: what is asked for.
    """

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if len(connection.headers) > MOST_HEADERS:
            await refuse(431, "this request has too many headers")(scope, receive, send)
            return
        refusal = self._refuse_host(connection) or self._refuse_site(connection)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        is_front = route_of(scope) == "/" and scope["method"] in {"GET", "HEAD"}
        browser = self._policy.browser(connection.headers.get("cookie", ""))
        is_linked = connection.headers.get("sec-fetch-site") == "cross-site"
        if is_front and is_linked and browser is None:
            # Who follows a link of another site shows no cookie before the second request.
            await HTMLResponse(AGAIN)(scope, receive, send)
            return
        is_new = browser is None and is_front
        id_ = browser or (secrets.token_urlsafe(16) if is_front else None)
        if self._policy.token is not None and browser is None and route_of(scope) not in OPEN:
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if is_front and self._policy.is_token(token):
                # The token leaves the address before anybody copies it.
                entry: Response = RedirectResponse(f"{scope['root_path']}/", 303)
                await entry(scope, receive, self._with_cookie(scope, id_ or "", send))
                return
            kind, _, shown = connection.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not self._policy.is_token(shown.strip()):
                wants_page = is_front and "text/html" in connection.headers.get("accept", "")
                entry = HTMLResponse(LOGIN, 401) if wants_page else refuse(401, NO_TOKEN)
                entry.headers["WWW-Authenticate"] = "Bearer"
                await entry(scope, receive, send)
                return
        address = visitor_address(scope["client"][0] if scope["client"] else "")
        # Anybody at one address who shows no cookie counts as one visitor.
        visitor = Visitor(address, id_ or address)
        scope = {**scope, "state": {**scope.get("state", {}), "visitor": visitor}}
        send = self._with_cookie(scope, id_, send) if is_new and id_ else send
        await self.app(scope, receive, send)

    def _refuse_host(self, connection: HTTPConnection) -> Response | None:
        names = [connection.headers.get("host", ""), connection.headers.get("x-forwarded-host")]
        server = connection.scope.get("server") or ("", None)
        known = LOOPBACK | self._policy.hosts | {server[0]}
        for name in names:
            if name is not None and host_of(f"//{name}") not in known:
                return refuse(
                    421,
                    "this server does not answer to the name in `Host`; whoever started it can add "
                    "names with --allowed-host",
                )
        return None

    def _refuse_site(self, connection: HTTPConnection) -> Response | None:
        headers = connection.headers
        if any(len(headers.getlist(name)) > 1 for name in SINGLE):
            return refuse(400, "this request has a header twice that may be there once")
        origin = headers.get("origin")
        own = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
        is_own = origin is None or _authority(origin) in own - {""}
        if not is_own and origin is not None:
            is_own = host_of(origin) in self._policy.hosts
        is_safe = connection.scope["method"] in {"GET", "HEAD"} and not route_of(
            connection.scope
        ).startswith("/gradio_api/")
        is_link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == (
            "navigate",
            "document",
        )
        if is_own and (headers.get("sec-fetch-site") in SITES or (is_safe and is_link)):
            return None
        return refuse(403, "this request comes from the page of another site, which is not allowed")

    def _with_cookie(self, scope: Scope, id_: str, send: Send) -> Send:
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        path = scope["root_path"] or "/"
        cookie = (
            f"{self._policy.cookie}={self._policy.sign(id_)}; Path={path}; HttpOnly; "
            f"SameSite=Strict{secure}"
        )

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        return send_with_cookie


NO_TOKEN = (
    "this server asks for a token: open the address that it printed when it was started, or send "
    "`Authorization: Bearer TOKEN`"
)
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mmpyramid</title>'
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" '
    'content="light dark">{}</html>'
)
AGAIN = PAGE.format('<meta http-equiv="refresh" content="0"></head>')
LOGIN = PAGE.format(
    "</head><body><p>This server asks for a token, which it printed when it was started.</p>"
    '<form><label>Token <input name="token" type="password" required autofocus></label> '
    "<button>Enter</button></form></body>"
)


def refuse(status: int, detail: str) -> JSONResponse:
    """An answer of one paragraph."""
    return JSONResponse({"detail": detail}, status)


def route_of(scope: Scope) -> str:
    """The path of a request below the root path.

    Example:
        >>> route_of({"path": "/sub/docs", "root_path": "/sub"})
        '/docs'
    """
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def visitor_address(client: str) -> str:
    """Whom a limit counts as one: an IPv4 address, or the /64 network of an IPv6 address.

    Example:
        >>> visitor_address("10.0.0.7"), visitor_address("2001:db8::1:2")
        ('10.0.0.7', '2001:db8::/64')
    """
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if address.version == 4:
        return client
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def _authority(origin: str) -> str:
    """The host and port that an origin names."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _paths(path: str, root_path: str) -> dict[str, str]:
    """Full path and root path, whether or not a proxy took the root path away.

    Example:
        >>> _paths("/docs", "/sub") == _paths("/sub/docs", "/sub")
        True
    """
    has_root = path == root_path or path.startswith(f"{root_path}/")
    return {"path": path if has_root else f"{root_path}{path}", "root_path": root_path}


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


SECRET = re.compile(r"(?<=/visits/)[^/]+|(?<=/heartbeat/)[^/]+|(?<=/api/jobs/)[^/]+|(?<=/file=).*")
"""Parts of paths that name a visit, a job or an upload."""

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

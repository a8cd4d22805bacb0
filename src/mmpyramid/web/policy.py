"""Whom the server lets in, as its user says it and as it is checked."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from mmpyramid.core.errors import UserError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SHORTEST_TOKEN = 16


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Whom the server lets in, as its user states it.

    Attributes:
        token: The token that visitors must give. Without it, everybody on this machine has access;
            at other addresses than 127.0.0.1, a random token is made and printed. `env:NAME` reads
            it from the environment, where no other user of the machine sees it.
        no_auth: Ask for no token: everybody who can reach the machine may use it.
        allowed_host: Names by which visitors may call the server, besides `localhost` and its
            addresses, such as the name that a proxy has.
        root_path: Path under which a proxy serves the app, such as /mmpyramid.
        trusted_proxy: Addresses of proxies, such as 127.0.0.1, that are trusted to name the visitor
            (`X-Forwarded-For`).

    Example:
        >>> Admission().policy("127.0.0.1", 7860).token is None
        True
        >>> len(Admission().policy("0.0.0.0", 7860).token)
        32
    """

    token: str = ""
    no_auth: bool = False
    allowed_host: tuple[str, ...] = ()
    root_path: str = ""
    trusted_proxy: tuple[str, ...] = ()

    def policy(self, host: str, port: int) -> Policy:
        """What to check where the server listens.

        Raises:
            UserError: if something of it makes no sense.
        """
        names = (_host_name(name) for name in self.allowed_host)
        return Policy(
            hosts=frozenset({*names, host.lower()}),
            token=self._token(host),
            root_path=_root(self.root_path),
            proxies=tuple(_address(proxy) for proxy in self.trusted_proxy),
            cookie=f"mmpyramid-{port}",
        )

    def _token(self, host: str) -> str | None:
        token = self.token
        if token and self.no_auth:
            raise UserError("expected either --token or --no-auth, got both")
        if token.startswith("env:"):
            name = token.removeprefix("env:")
            token = os.environ.get(name, "")
            if not token:
                raise UserError(f"expected a token in the environment variable {name}, found none")
        if token and not re.fullmatch(rf"[\w.~+/=-]{{{SHORTEST_TOKEN},}}", token, re.ASCII):
            raise UserError(
                f"expected a --token of {SHORTEST_TOKEN} or more letters, digits and -._~+/=; "
                "without --token one is made up where one is needed"
            )
        if token:
            return token
        return None if self.no_auth or is_loopback(host) else secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Example:
        >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    with suppress(ValueError):  # A name.
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the server asks of those who want to come in.

    Attributes:
        hosts: names of the server besides loopback and the address that a connection arrives at.
        token: what visitors must know; None lets everybody in.
        root_path: where a proxy puts the server, such as `/mmpyramid`.
        proxies: addresses whose `X-Forwarded-*` headers are believed.
        cookie: its name; browsers share cookies between the ports of a machine.
        key: signs cookies, so that those of an earlier server are worth nothing.
    """

    hosts: frozenset[str] = frozenset()
    token: str | None = None
    root_path: str = ""
    proxies: tuple[str, ...] = ()
    cookie: str = "mmpyramid"
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def sign(self, id: str) -> str:  # noqa: A002
        """The cookie of a browser."""
        return f"{id}.{hmac.new(self.key, id.encode(), hashlib.sha256).hexdigest()}"

    def browser(self, cookies: str) -> str | None:
        """The id in the cookie of a browser, if this server signed it."""
        try:
            cookie = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return None
        if cookie is None:
            return None
        id_ = cookie.value.partition(".")[0]
        return id_ if equal(self.sign(id_), cookie.value) else None

    def is_token(self, text: str) -> bool:
        """Whether a text is the token, compared in constant time."""
        return self.token is not None and equal(self.token, text)


def equal(first: str, second: str) -> bool:
    """Whether two texts are equal, compared in constant time.

    Example:
        >>> equal("token", "Token")
        False
    """
    digests = (hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (first, second))
    return hmac.compare_digest(*digests)


def host_of(address: str) -> str:
    """The host that an address names, without brackets and in small letters; empty if it is none.

    Example:
        >>> host_of("//[::1]:7860"), host_of("http://Here.example"), host_of("//a@b:x")
        ('::1', 'here.example', '')
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    del port
    if parts.username is not None or parts.path not in {"", "/"} or parts.query or parts.fragment:
        return ""
    return (parts.hostname or "").rstrip(".")


def _host_name(name: str) -> str:
    """A name for `Policy.hosts`.

    Raises:
        UserError: if it is none.
    """
    if not (host := host_of(f"//{name}")) or host == "*":
        raise UserError(f"expected --allowed-host to be a name such as demo.example, got {name!r}")
    return host


def _address(proxy: str) -> str:
    """An address for `Policy.proxies`.

    Raises:
        UserError: if it is none.
    """
    try:
        return str(ipaddress.ip_address(proxy))
    except ValueError as error:
        raise UserError(
            f"expected --trusted-proxy to be an address such as 127.0.0.1, got {proxy!r}"
        ) from error


def _root(path: str) -> str:
    """A path for `Policy.root_path`.

    Raises:
        UserError: if it is none.
    """
    path = path.rstrip("/")
    if path and not re.fullmatch(r"(/[\w.~-]+)+", path, re.ASCII):
        raise UserError(f"expected --root-path to be a path such as /mmpyramid, got {path!r}")
    return path

"""What the server keeps for each visitor of the app while the page is open."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, RLock
from time import monotonic

from mmpyramid.pipeline import Parsed
from mmpyramid.web.access import Visitor
from mmpyramid.web.limits import BusyError, TooManyError
from mmpyramid.web.uploads import Upload

MOST_VISITS = 1000
MOST_EACH = 50
"""Pages that may be open, in all and of one visitor."""


@dataclass(frozen=True)
class Result:
    """A timeline that a visitor looks at.

    Attributes:
        parsed: what was found.
        video: where it was found, for the player.
        number: tells the results of a visit apart, so that a browser loads each anew.
    """

    parsed: Parsed
    video: Upload
    number: int


@dataclass(eq=False)
class Visit:
    """One open page; its methods are atomic.

    Attributes:
        visitor: whose page it is; nobody else may use it.
        token: names the visit in addresses; it cannot be guessed.
        uploads: the files that were chosen.
        results: what was found in those that were parsed last, by number.
        num_shown: how many results there were, in all.
        seen: when something was asked last.
        num_reasons: connections that last as long as the page is open, and videos that are parsed.
        ended: whether the page was closed; what comes later is released at once.
    """

    visitor: Visitor
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    uploads: tuple[Upload, ...] = ()
    results: dict[int, Result] = field(default_factory=dict)
    num_shown: int = 0
    seen: float = 0.0
    num_reasons: int = 0
    ended: bool = False
    _lock: RLock = field(default_factory=RLock)

    def choose(self, *uploads: Upload) -> None:
        """Take other uploads, or none, and release the last."""
        with self._lock:
            before, self.uploads = self.uploads, uploads
            for upload in (*before, *(uploads if self.ended else ())):
                upload.release()

    def reject(self, path: Path) -> None:
        """Release an upload that turned out to be bad, if it still is a chosen one."""
        with self._lock:
            for upload in self.uploads:
                if upload.path == path:
                    upload.release()
            self.uploads = tuple(upload for upload in self.uploads if upload.path != path)

    def clear(self) -> None:
        """Release the videos of all results."""
        with self._lock:
            for result in self.results.values():
                result.video.release()
            self.results = {}

    def show(self, parsed: Parsed, video: Upload) -> Result:
        """Take one more result."""
        with self._lock:
            self.num_shown += 1
            result = self.results[self.num_shown] = Result(parsed, video, self.num_shown)
            if self.ended:
                self.clear()
            return result

    def end(self) -> None:
        """Release everything."""
        with self._lock:
            self.ended = True
            self.choose()
            self.clear()


class Visits:
    """All visits, by session of the browser and by token.

    Example:
        >>> visits, visitor = Visits(), Visitor("127.0.0.1", "browser")
        >>> visit = visits.claim("session", visitor)
        >>> visits.by_token(visit.token, visitor) is visit
        True
    """

    def __init__(self) -> None:
        self._by_session: dict[str, Visit] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._by_session)

    def claim(self, session: str, visitor: Visitor) -> Visit | None:
        """The visit of a session, which belongs to the visitor who claims it first.

        Returns:
            None if the session is somebody else's.

        Raises:
            TooManyError: if the visitor has too many pages open.
            BusyError: if all together have.
        """
        with self._lock:
            visit = self._by_session.get(session)
            if visit is None:
                self._check_room(visitor)
                visit = self._by_session[session] = Visit(visitor)
            visit.seen = monotonic()
            return visit if visit.visitor.id == visitor.id else None

    @contextmanager
    def watching(self, session: str) -> Iterator[None]:
        """A connection that lasts as long as a page is open: with its last one, a visit ends."""
        visit = self.of(session)
        try:
            with self.keeping(visit):
                yield
        finally:
            with self._lock:
                has_left = not visit.num_reasons and self._by_session.get(session) is visit
            if has_left:
                self.end(session)

    @contextmanager
    def keeping(self, visit: Visit) -> Iterator[None]:
        """Keep a visit in which nothing is requested."""
        with self._lock:
            visit.num_reasons += 1
        try:
            yield
        finally:
            with self._lock:
                visit.num_reasons -= 1
                visit.seen = monotonic()

    def of(self, session: str) -> Visit:
        """The visit of a session; one that has ended if there is none any more."""
        with self._lock:
            visit = self._by_session.get(session)
            if visit is None:
                return Visit(Visitor("", ""), ended=True)
            visit.seen = monotonic()
            return visit

    def by_token(self, token: str, visitor: Visitor) -> Visit | None:
        """The visit of a token, if it is the visitor's and has not ended."""
        with self._lock:
            visit = next((v for v in self._by_session.values() if v.token == token), None)
            if visit is None or visit.visitor.id != visitor.id:
                return None
            visit.seen = monotonic()
            return visit

    def end(self, session: str) -> None:
        """End a visit, if there is one."""
        with self._lock:
            visit = self._by_session.pop(session, None)
        if visit is not None:
            visit.end()

    def is_here(self, owner: str) -> bool:
        """Whether a visitor has a page open, by id."""
        with self._lock:
            return any(visit.visitor.id == owner for visit in self._by_session.values())

    def end_idle(self, seconds: float, unwatched: float) -> None:
        """End the visits in which nothing was asked for so long.

        Args:
            seconds: how long.
            unwatched: the same where there is no other reason to keep a visit.
        """
        with self._lock:
            now = monotonic()
            idle = [
                session
                for session, visit in self._by_session.items()
                if now - visit.seen > (seconds if visit.num_reasons else min(seconds, unwatched))
            ]
        for session in idle:
            self.end(session)

    def _check_room(self, visitor: Visitor) -> None:
        own = sum(1 for v in self._by_session.values() if v.visitor.address == visitor.address)
        if own >= MOST_EACH:
            raise TooManyError(f"{own} pages of yours are open already; close some of them")
        if len(self._by_session) >= MOST_VISITS:
            raise BusyError("too many pages are open on this server; try again in a minute")

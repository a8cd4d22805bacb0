"""What the server keeps for each visitor of the app while the page is open."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, RLock

from mmpyramid.pipeline import Parsed
from mmpyramid.web.uploads import Held


@dataclass(eq=False)
class Visit:
    """One open page.

    Attributes:
        token: names the visit in addresses; it cannot be guessed.
        upload: the video that was chosen.
        parsed: what was found in the last one that was parsed.
        shown: that one itself, for the player.
        version: counts the timelines, so that a browser loads each anew.
        seen: when something was asked last.
        ended: whether the page was closed; what comes later is let go of at once.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    upload: Held | None = None
    parsed: Parsed | None = None
    shown: Held | None = None
    version: int = 0
    seen: float = 0.0
    ended: bool = False
    _lock: RLock = field(default_factory=RLock)

    def choose(self, upload: Held | None) -> None:
        """Take another upload, or none, and let go of the last."""
        with self._lock:
            if self.upload is not None:
                self.upload.release()
            self.upload = upload
            if self.ended and upload is not None:
                upload.release()

    def show(self, parsed: Parsed | None, video: Held | None) -> None:
        """Take another timeline with its video, or none, and let go of the last."""
        with self._lock:
            if self.shown is not None and self.shown is not video:
                self.shown.release()
            self.parsed, self.shown, self.version = parsed, video, self.version + 1
            if self.ended and video is not None:
                video.release()

    def end(self) -> None:
        """Let go of everything."""
        with self._lock:
            self.ended = True
            self.choose(None)
            self.show(None, None)


class Visits:
    """All visits, by session of the browser and by token.

    Args:
        clock: seconds that never run backwards.

    Example:
        >>> visits = Visits()
        >>> visit = visits.of("session")
        >>> visits.by_token(visit.token) is visit
        True
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_session: dict[str, Visit] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._by_session)

    def of(self, session: str) -> Visit:
        """The visit of a session, a new one the first time."""
        with self._lock:
            visit = self._by_session.setdefault(session, Visit())
            visit.seen = self._clock()
            return visit

    def by_token(self, token: str) -> Visit | None:
        """The visit of a token, if it has not ended."""
        with self._lock:
            visit = next((v for v in self._by_session.values() if v.token == token), None)
            if visit is not None:
                visit.seen = self._clock()
            return visit

    def end(self, session: str) -> None:
        """End a visit, if there is one."""
        with self._lock:
            visit = self._by_session.pop(session, None)
        if visit is not None:
            visit.end()

    def end_idle(self, seconds: float) -> None:
        """End the visits in which nothing was asked for so long."""
        with self._lock:
            now = self._clock()
            idle = [s for s, visit in self._by_session.items() if now - visit.seen > seconds]
        for session in idle:
            self.end(session)

"""Questions to a library, as SQL for DuckDB."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.library.index import Library

NEAR = re.compile(
    r"(?P<label>.+?)\s+within\s+(?P<gap>[0-9]+(\.[0-9]+)?)\s*(s|sec|seconds?)?\s+of\s+(?P<other>.+)",
    re.IGNORECASE,
)
"""`Applause within 5 s of Singing`."""


class Moment(NamedTuple):
    """An event that was found.

    Attributes:
        video: its id.
        path: where it lies, empty if that is not known.
        start: seconds.
        end: seconds.
        label: of the event.
        modality: `audio`, `visual` or `audio_visual`.
        score: within 0..1.
    """

    video: str
    path: str
    start: float
    end: float
    label: str
    modality: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for; all conditions hold at once.

    Attributes:
        label: of the event; None takes any.
        near: another label, heard or seen within `gap` seconds of the event.
        gap: see `near`; 0 asks that both overlap or touch.
        heard: the event can be heard; False: it cannot while it lasts; None: no matter.
        seen: the same for what can be seen.
        also: labels that the video has as well, anywhere.
        without: labels that the video has nowhere.
        min_length: seconds that the event lasts at least.
        min_score: its score is at least this.

    Raises:
        UserError: if the event is to be neither heard nor seen, or a number is out of range.

    Example:
        >>> Query.parse("Applause within 5 s of Singing").near
        'Singing'
    """

    label: str | None = None
    near: str | None = None
    gap: float = 0.0
    heard: bool | None = None
    seen: bool | None = None
    also: Sequence[str] = ()
    without: Sequence[str] = ()
    min_length: float = 0.0
    min_score: float = 0.0

    def __post_init__(self) -> None:
        if self.heard is False and self.seen is False:
            raise UserError(
                "expected events that are heard or seen, got --heard False with --seen False; "
                "leave one out"
            )
        for name in ("gap", "min_length", "min_score"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(
                    f"expected --{name.replace('_', '-')} of 0 or more, got {getattr(self, name)}"
                )

    @classmethod
    def parse(cls, text: str | None, **conditions: Any) -> Query:
        """Read a question: a label, or two as in `Applause within 5 s of Singing`.

        Args:
            text: the question; None asks for any event.
            **conditions: the other attributes.
        """
        if text is None or not (match := NEAR.fullmatch(text.strip())):
            return cls(label=text, **conditions)
        label, near, gap = match["label"], match["other"], float(match["gap"])
        return cls(label=label, near=near, gap=gap, **conditions)

    def to_sql(self) -> tuple[str, list[Any]]:
        """The statement over the views of `Library.connect`, and its parameters."""
        kinds = f"('{self._kind}')" if self._kind else "('audio', 'visual')"
        where: list[str] = [f"e.modality IN {kinds}"]
        values: list[Any] = []

        def add(condition: str, *parameters: object) -> None:
            where.append(condition)
            values.extend(parameters)

        if self.label is not None:
            add("e.label = ?", self.label)
        for side, asked in (("audio", self.heard), ("visual", self.seen)):
            if asked is False:
                add(
                    "NOT EXISTS (FROM events o WHERE o.video = e.video AND o.label = e.label AND "
                    f'o.modality = \'{side}\' AND o.start < e."end" AND o."end" > e.start)'
                )
        if self.near is not None:
            add(
                "EXISTS (FROM events o WHERE o.video = e.video AND o.label = ? AND "
                'o.start - e."end" <= ? AND e.start - o."end" <= ?)',
                *(self.near, self.gap, self.gap),
            )
        for label in self.also:
            add("EXISTS (FROM events o WHERE o.video = e.video AND o.label = ?)", label)
        for label in self.without:
            add("NOT EXISTS (FROM events o WHERE o.video = e.video AND o.label = ?)", label)
        if self.min_length:
            add('e."end" - e.start >= ?', self.min_length)
        if self.min_score:
            add("e.score >= ?", self.min_score)
        statement = (
            "SELECT e.video, coalesce(v.path, ''), e.start, e.\"end\", e.label, e.modality, "
            "e.score "
            f"FROM events e LEFT JOIN videos v USING (video) WHERE {' AND '.join(where)} "
            "ORDER BY e.video, e.start, e.modality"
        )
        return statement, values

    @property
    def _kind(self) -> str:
        if self.heard and self.seen:
            return "audio_visual"
        if self.heard or self.seen is False:
            return "audio"
        if self.seen or self.heard is False:
            return "visual"
        return ""


def search(library: Library, query: Query, *, limit: int | None = None) -> list[Moment]:
    """Find events.

    Args:
        library: where to look.
        query: what for; labels may be written in any case.
        limit: at most so many.

    Raises:
        UserError: if the library has no such label; those that may be meant are named.

    Example:
        >>> search(Library(Path("lib")), Query(label="Dog", heard=True))  # doctest: +SKIP
        [Moment(video='park', path='/videos/park.mp4', start=3.0, end=5.0, ...)]
    """
    with library.connect() as connection:
        known = [
            row[0] for row in connection.execute("SELECT DISTINCT label FROM events").fetchall()
        ]
        statement, values = _resolved(query, known).to_sql()
        if limit is not None:
            statement = f"{statement} LIMIT {int(limit)}"
        return [Moment(*row) for row in connection.execute(statement, values).fetchall()]


def select(library: Library, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns and the rows of an SQL statement over `events` and `videos`.

    Raises:
        UserError: if DuckDB refuses it.
    """
    import duckdb

    with library.connect() as connection:
        try:
            found = connection.execute(statement)
            return [column[0] for column in found.description or ()], found.fetchall()
        except duckdb.Error as error:
            reason = shorten(str(error).strip().partition("\n")[0], 300)
            raise UserError(
                "expected SQL over the tables `events` (video, label, modality, start, end, score) "
                f'and `videos` (video, path, duration), with "end" in quotes: {reason}'
            ) from error


def _resolved(query: Query, known: Sequence[str]) -> Query:
    """The query with its labels as the library writes them."""
    spelled = {_plain(label): label for label in known}

    def resolve(label: str | None) -> str | None:
        if label is None or _plain(label) in spelled:
            return None if label is None else spelled[_plain(label)]
        close = difflib.get_close_matches(_plain(label), spelled, n=3)
        hint = (
            f"did you mean {' or '.join(spelled[name] for name in close)}?"
            if close
            else f"it has {', '.join(sorted(known)[:10])}{' and others' if len(known) > 10 else ''}"
        )
        raise UserError(f"nothing in the library is called {shorten(label)!r}; {hint}")

    return replace(
        query,
        label=resolve(query.label),
        near=resolve(query.near),
        also=[resolve(label) or "" for label in query.also],
        without=[spelled.get(_plain(label), label) for label in query.without],
    )


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").casefold().split())

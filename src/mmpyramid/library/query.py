"""Questions to a library, as SQL for DuckDB, and what was found, for people and for programs."""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.core.wording import MODALITY_WORDS, clock, title_of
from mmpyramid.formats.tables import escaped
from mmpyramid.library.index import Library, from_text, to_text, unreadable
from mmpyramid.render.page.document import build, escape

QUOTED = r'"(?:[^"]|"")+"'
"""A label as it is, even if it reads like a question; a quote in it is written twice."""

NEAR = re.compile(
    rf"(?P<label>{QUOTED}|.+?)\s+within\s+(?P<gap>[0-9]+(\.[0-9]+)?)\s*(s|sec|seconds?)?\s+of\s+"
    rf"(?P<other>{QUOTED}|.+)",
    re.IGNORECASE,
)
"""`Applause within 5 s of Singing`."""


MOST = 2**62
"""What DuckDB can count to."""


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

        if self.min_score > 1:
            raise UserError(
                f"expected --min-score of at most 1, as scores are within 0..1, got "
                f"{self.min_score}"
            )

    @classmethod
    def parse(cls, text: str | None, **conditions: Any) -> Query:
        """Read a question: a label, or two as in `Applause within 5 s of Singing`.

        Args:
            text: the question; None asks for any event. A label in double quotes is one label,
                whatever words are in it.
            **conditions: the other attributes.

        Example:
            >>> Query.parse('"one within 5 s of another"').label
            'one within 5 s of another'
        """
        if text is None:
            return cls(**conditions)
        text = text.strip()
        match = None if re.fullmatch(QUOTED, text) else NEAR.fullmatch(text)
        if match is None:
            return cls(label=_unquoted(text), **conditions)
        label, near = _unquoted(match["label"]), _unquoted(match["other"])
        return cls(label=label, near=near, gap=float(match["gap"]), **conditions)

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
        for side, required in (("audio", self.heard), ("visual", self.seen)):
            if required is False:
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

    def in_words(self) -> str:
        """What is looked for, as a title.

        Example:
            >>> Query(label="Dog", heard=True, seen=False, without=["Cat"]).in_words()
            'Dog, heard, not seen, in videos without Cat'
        """
        near = "" if self.near is None else f" within {self.gap:g} s of {title_of(self.near)}"
        words = [f"{'All events' if self.label is None else title_of(self.label)}{near}"]
        for way, required in (("heard", self.heard), ("seen", self.seen)):
            if required is not None:
                words.append(way if required else f"not {way}")
        for what, labels in (("with", self.also), ("without", self.without)):
            if labels:
                words.append(f"in videos {what} {' and '.join(map(title_of, labels))}")
        if self.min_length:
            words.append(f"{self.min_length:g} s or longer")
        if self.min_score:
            words.append(f"score {self.min_score:g} or more")
        return ", ".join(words)

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
        UserError: if the library has no such label; those that may be meant are named. If a table
            is damaged.

    Example:
        >>> search(Library(Path("lib")), Query(label="Dog", heard=True))  # doctest: +SKIP
        [Moment(video='park', path='/videos/park.mp4', start=3.0, end=5.0, ...)]
    """
    import duckdb

    with library.connect() as connection:
        try:
            labels = connection.execute("SELECT DISTINCT label FROM events").fetchall()
            known = [label for (label,) in msgspec.convert(labels, list[tuple[str]])]
            statement, values = _resolved(query, known).to_sql()
            if limit is not None:
                statement = f"{statement} LIMIT {min(limit, MOST)}"
            rows = connection.execute(statement, values).fetchall()
            found = msgspec.convert(rows, list[Moment])
        except (duckdb.Error, msgspec.ValidationError) as error:
            raise unreadable(library.folder, error) from error
    return [moment._replace(path=from_text(moment.path)) for moment in found]


def select(library: Library, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns and the rows of a question in SQL over `events` and `videos`.

    It reads nothing but the library, and changes nothing.

    Raises:
        UserError: if it is not one SELECT, or DuckDB refuses it.
    """
    import duckdb

    with library.connect() as connection:
        try:
            kinds = [each.type for each in connection.extract_statements(statement)]
            if kinds != [duckdb.StatementType.SELECT]:
                got = ", ".join(kind.name for kind in kinds) or "none"
                raise UserError(f"expected one statement, a SELECT, got {got}")
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
        if re.search(r"\bwithin\b", label):
            hint = f"what is near is asked for in seconds, such as `A within 5 s of B`; {hint}"
        raise UserError(f"nothing in the library is called {shorten(label)!r}; {hint}")

    return replace(
        query,
        label=resolve(query.label),
        near=resolve(query.near),
        also=[resolve(label) or "" for label in query.also],
        without=[spelled.get(_plain(label), label) for label in query.without],
    )


def _unquoted(label: str) -> str:
    return label[1:-1].replace('""', '"') if re.fullmatch(QUOTED, label) else label


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").casefold().split())


BEFORE = 1.0
"""Seconds that players start before an event."""
LOADED = 50
"""So many players show their first picture at once; loading more would take long."""


def to_json(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A list of objects with the fields of `Moment`."""
    del out, title
    return json.dumps([moment._asdict() for moment in moments], indent=2) + "\n"


def to_csv(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A row per event, with a header; what a spreadsheet would run as a formula is escaped."""
    del out, title
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Moment._fields)
    for moment in moments:
        writer.writerow(map(escaped, moment._replace(path=to_text(moment.path))))
    return file.getvalue()


def to_m3u(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A playlist that VLC plays moment by moment; paths are relative to the file `out`.

    Other players play the whole files.
    """
    lines = ["#EXTM3U", f"#PLAYLIST:{' '.join(title.split())}"]
    for moment in moments:
        if moment.path:
            start, end = max(0.0, moment.start - BEFORE), moment.end + BEFORE
            name = f"{moment.video} {_span(moment)} {title_of(moment.label)}"
            lines += [
                f"#EXTINF:{end - start:.0f},{' '.join(name.split())}",
                f"#EXTVLCOPT:start-time={start:.10g}",
                f"#EXTVLCOPT:stop-time={end:.10g}",
                _link(moment.path, out),
            ]
    return "\n".join(lines) + "\n"


def to_html(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A page with a player for each video, and links to the moments in it."""
    sections: list[str] = []
    for video, group in groupby(moments, key=lambda moment: moment.video):
        found = list(group)
        preload = "metadata" if len(sections) < LOADED else "none"
        link = _link(found[0].path, out) if found[0].path else ""
        player = (
            f'<video controls preload="{preload}" src="{escape(link)}#t={found[0].start:.10g}">'
            "</video>"
            if link
            else '<p class="quiet">The path of this video is not known.</p>'
        )
        rows = "".join(
            f"<li>{_place(m, link)} {escape(title_of(m.label))}, "
            f"{escape(MODALITY_WORDS[Modality(m.modality)])}, {m.score:.2f}</li>"
            for m in found
        )
        sections.append(f"<section><h2>{escape(video)}</h2>{player}<ol>{rows}</ol></section>")
    return build(
        "found",
        styles=("base", "found"),
        script="found",
        data=None,
        site=None,
        title=escape(title),
        count=f"{len(moments)} event{'s' * (len(moments) != 1)}",
        sections="".join(sections),
    )


def _place(moment: Moment, link: str) -> str:
    """When a moment is, as a link into its video if there is one."""
    if not link:
        return escape(_span(moment))
    start = max(0, moment.start - BEFORE)
    address = f"{escape(link)}#t={moment.start:.10g}"
    return f'<a data-start="{start:.10g}" href="{address}">{escape(_span(moment))}</a>'


def _span(moment: Moment) -> str:
    return f"{clock(moment.start)}–{clock(moment.end)}"


def _link(path: str, out: Path) -> str:
    return quote(os.fsencode(os.path.relpath(path, os.path.realpath(out.parent))))


TEXTS = {"json": to_json, "csv": to_csv, "m3u": to_m3u, "html": to_html}
"""What writes each form: of the moments, the file that it goes to, and a title."""

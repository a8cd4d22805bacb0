"""TextGrids of Praat (.TextGrid), written and read: tiers of intervals without gap or overlap.

As in ELAN documents, a tier is a modality; events that overlap are in `audio 2` and so on, and the
tier `audio score` has the score of each event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.core.wording import printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import (
    MICROSECONDS,
    Row,
    modality_of_tier,
    named_tiers,
    to_seconds,
    to_timeline,
)

SCORE = " score"
HEAD = ("ooTextFile", "TextGrid")
TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|(?<!\S)(?P<number>[-+]?[0-9][0-9.eE+-]*)(?!\S)'
    r"|(?P<flag><exists>|<absent>)|(?P<comment>![^\n]*)"
)
"""What Praat reads: texts, numbers that stand alone, flags; everything else is for people."""


def to_textgrid(timeline: Timeline) -> str:
    """Write the tiers of a timeline; times in seconds, rounded to six decimals.

    Source: the Praat manual, TextGrid file formats.

    Raises:
        UserError: if the timeline has no duration.

    Example:
        >>> print(to_textgrid(Timeline(duration=9.0))[:60], end="")
        File type = "ooTextFile"
        Object class = "TextGrid"
        <BLANKLINE>
        xmin = 0
    """
    end = max([timeline.duration, *(to_seconds(event)[1] for event in timeline)])
    if end == 0:
        raise UserError("a TextGrid lasts longer than 0 s; this timeline has no duration")
    named: dict[str, list[tuple[float, float, str]]] = {}
    for name, tier in named_tiers(timeline, MICROSECONDS).items():
        times = [to_seconds(event) for event in tier]
        labels = [printable(event.label) for event in tier]
        scores = [f"{round(event.score, 6)}" for event in tier]
        for kind, texts in (("", labels), (SCORE, scores)):
            rows = [(*span, text) for span, text in zip(times, texts, strict=True)]
            named[name + kind] = _intervals(rows, end)
    head = (
        f'File type = "{HEAD[0]}"\nObject class = "{HEAD[1]}"\n\n'
        f"xmin = 0\nxmax = {_number(end)}\ntiers? <exists>\nsize = {len(named)}\nitem []:\n"
    )
    return head + "".join(
        _tier(number, name, intervals)
        for number, (name, intervals) in enumerate(named.items(), start=1)
    )


def from_textgrid(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    """Read a TextGrid in the long or the short text format; empty intervals are no events.

    Tiers that are named otherwise than by modality hold events, too. Tiers of points do not; a note
    names them.

    Args:
        text: the content of the file.
        unstated: how events are perceived whose tier does not say it by its name.

    Raises:
        UserError: if it is no TextGrid, or an interval is no event; names tier and time.

    Example:
        >>> from mmpyramid.core import Event
        >>> event = Event(1.0, 4.0, "Dog", Modality.VISUAL, 0.5)
        >>> timeline = Timeline(events=(event,), duration=9.0, labels=("Dog",))
        >>> from_textgrid(to_textgrid(timeline)) == timeline
        True
    """
    tokens = _Tokens(text)
    if (tokens.text(), tokens.text()) != HEAD:
        raise UserError(
            f"expected a TextGrid in one of Praat's text formats, which begins with {HEAD[0]!r} "
            f"and {HEAD[1]!r}; save it by Save, Save as text file"
        )
    duration = tokens.range_end()
    found: dict[str, list[tuple[float, float, str]]] = {}
    points = []
    for _ in range(tokens.size() if tokens.flag() == "<exists>" else 0):
        kind, name = tokens.text(), tokens.text()
        tokens.range_end()
        size = tokens.size()
        if kind == "IntervalTier":
            rows = [(tokens.number(), tokens.number(), tokens.text()) for _ in range(size)]
            found.setdefault(name, []).extend(rows)
        else:
            points.append(name)
            for _ in range(size):
                tokens.number()
                tokens.text()
    events = [row.to_event() for name in found for row in _rows(name, found, unstated)]
    left_out = (f"tiers of points were left out: {shorten(', '.join(points))}",) if points else ()
    timeline = to_timeline(events)
    return replace(timeline, duration=max(duration, timeline.duration), notes=left_out)


def _rows(
    name: str, tiers_by_name: dict[str, list[tuple[float, float, str]]], unstated: Modality
) -> Iterator[Row]:
    """The events of a tier; none of a tier of scores."""
    if name.endswith(SCORE) and name.removesuffix(SCORE) in tiers_by_name:
        return
    scores = {(start, end): score for start, end, score in tiers_by_name.get(name + SCORE, ())}
    modality = modality_of_tier(name) or unstated
    for start, end, label in tiers_by_name[name]:
        if label.strip():
            yield Row(
                where=f"tier {shorten(name)!r} at {start:.6g} s",
                start=str(start),
                end=str(end),
                label=label,
                modality=modality,
                score=scores.get((start, end), ""),
            )


class _Tokens:
    """What Praat would read of a text, one after the other."""

    def __init__(self, text: str) -> None:
        self._found = (match for match in TOKEN.finditer(text) if match["comment"] is None)

    def text(self) -> str:
        return self._next("text", "a text in quotes").replace('""', '"')

    def number(self) -> float:
        digits = self._next("number", "a number")
        try:
            return float(digits)
        except ValueError as error:
            raise UserError(f"expected a number, got {shorten(digits)!r}") from error

    def range_end(self) -> float:
        """The second of xmin and xmax; what begins later than 0 keeps its times."""
        self.number()
        return self.number()

    def size(self) -> int:
        number = self.number()
        if not number.is_integer():
            raise UserError(f"expected a number of tiers or intervals, got {number:.6g}")
        return int(number)

    def flag(self) -> str:
        return self._next("flag", "<exists>")

    def _next(self, kind: str, expected: str) -> str:
        match = next(self._found, None)
        if match is None or match[kind] is None:
            got = "the end of the file" if match is None else repr(shorten(match[0]))
            raise UserError(f"expected a whole TextGrid, with {expected} next; got {got}")
        return match[kind]


def _intervals(
    events: Sequence[tuple[float, float, str]], end: float
) -> list[tuple[float, float, str]]:
    """The events of a tier, and empty intervals between them."""
    filled = []
    bounds = [(0.0, 0.0, ""), *events, (end, end, "")]
    for (_, before, _), (start, stop, text) in pairwise(bounds):
        if before < start:
            filled.append((before, start, ""))
        if start < stop:
            filled.append((start, stop, text))
    return filled


def _tier(number: int, name: str, intervals: Sequence[tuple[float, float, str]]) -> str:
    end = _number(intervals[-1][1])
    head = (
        f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{name}"\n'
        f"        xmin = 0\n        xmax = {end}\n        intervals: size = {len(intervals)}\n"
    )
    lines = [head]
    for place, (start, stop, text) in enumerate(intervals, start=1):
        quoted = text.replace('"', '""')
        lines.append(
            f"        intervals [{place}]:\n            xmin = {_number(start)}\n"
            f'            xmax = {_number(stop)}\n            text = "{quoted}"\n'
        )
    return "".join(lines)


def _number(seconds: float) -> str:
    """As short as possible, so that equal times are equal texts, and without an exponent."""
    return f"{seconds:.17f}".rstrip("0").rstrip(".") if "e" in repr(seconds) else repr(seconds)


register(
    Format(
        name="TextGrid",
        description="tiers of intervals by modality",
        programs="Praat, ELAN, R (rPraat)",
        write=to_textgrid,
        read=from_textgrid,
        states_modality=False,
        kept="the events, the duration",
        markers_for=("praat",),
    )
)

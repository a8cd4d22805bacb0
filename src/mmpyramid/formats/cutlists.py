"""Tables of cuts and markers, written and read: LosslessCut (.csv) and Adobe Audition (.csv)."""

from __future__ import annotations

import re
from fractions import Fraction

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import Line, shorten, table_of
from mmpyramid.core.wording import INFERRED, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import (
    MILLISECONDS,
    Row,
    tagged,
    to_seconds,
    to_ticks,
    to_timeline,
    untagged,
)
from mmpyramid.formats.tables import to_table, unescaped, with_inferred

CUTS = ("Start", "End", "Name", "modality", "score")
MARKERS = ("Name", "Start", "Duration", "Time Format", "Type", "Description")
CLOCK = re.compile(r"(?:([0-9]{1,6}):)?(?:([0-9]{1,6}):)?([0-9]{1,9}(?:\.[0-9]{1,9})?)")
SCORE = re.compile(r"score ([0-9]{1,9}(?:\.[0-9]{1,9})?)")


def to_losslesscut(timeline: Timeline, *, raw: bool = False) -> str:
    """Write a segment per event; modality and score are tags of it.

    Source: LosslessCut 3.69, Import/Export, CSV.

    Args:
        timeline: what to write.
        raw: do not escape labels that a spreadsheet would run as formulas; `from_losslesscut`
            reads both.

    Example:
        >>> print(to_losslesscut(Timeline()), end="")
        Start,End,Name,modality,score
    """
    rows = (
        (*to_seconds(e), printable(e.label), e.modality.value, round(e.score, 6)) for e in timeline
    )
    return to_table(*with_inferred(timeline, CUTS, rows), raw=raw)


def from_losslesscut(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    r"""Read segments; a start that is left out is 0.

    Args:
        text: the content of the file.
        unstated: how an event is perceived whose segment has no tag `modality`.

    Raises:
        UserError: if a column is missing or a row is not an event; names the line.

    Example:
        >>> from_losslesscut("Start,End,Name\n2,9.5,Dog\n").events[0].end
        9.5
    """
    _, lines = table_of(text, ",", CUTS[:3])
    rows = [
        Row(
            where=f"line {line.number}",
            start=line.cells["Start"] or "0",
            end=line.cells["End"],
            label=unescaped(line.cells["Name"]),
            modality=line.cells.get("modality") or unstated,
            score=line.cells.get("score", ""),
            inferred=line.cells.get(INFERRED, ""),
        )
        for line in lines
    ]
    return to_timeline([row.to_event() for row in rows])


def to_audition(timeline: Timeline) -> str:
    """Write a marker per event, called `Dog [audio]`, in milliseconds; cells are parted by tabs.

    Source: the markers that Adobe Audition exports, with times in its decimal format.

    Example:
        >>> from mmpyramid.core import Event
        >>> timeline = Timeline(events=(Event(2.0, 9.0, "Dog", Modality.AUDIO),), labels=("Dog",))
        >>> print(to_audition(timeline).expandtabs(1), end="")
        Name Start Duration Time Format Type Description
        Dog [audio] 0:02.000 0:07.000 decimal Cue score 1.00
    """
    spans = (to_ticks(event, MILLISECONDS) for event in timeline)
    rows = (
        (
            tagged(e),
            _decimal(start),
            _decimal(end - start),
            "decimal",
            "Cue",
            f"score {e.score:.2f}",
        )
        for (start, end), e in zip(spans, timeline, strict=True)
    )
    return to_table(MARKERS, rows, delimiter="\t", raw=True)


def from_audition(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    r"""Read exported markers.

    Args:
        text: the content of the file.
        unstated: how an event is perceived whose marker does not say it as `Dog [audio]` does.

    Raises:
        UserError: if a column is missing or a marker is not a region; names the line.

    Example:
        >>> columns = "Name\tStart\tDuration\tTime Format\tType\tDescription"
        >>> marker = "Dog [visual]\t0:01.500\t0:02.500\tdecimal\tCue\t"
        >>> from_audition(f"{columns}\n{marker}\n").events[0].end
        4.0
    """
    _, lines = table_of(text, "\t", MARKERS[:3])
    return to_timeline([_marker(line, unstated).to_event() for line in lines])


def _marker(line: Line, unstated: Modality) -> Row:
    where = f"line {line.number}"
    start, length = (_seconds(line.cells[name], where) for name in ("Start", "Duration"))
    label, modality, inferred = untagged(line.cells["Name"])
    score = SCORE.search(line.cells.get("Description", ""))
    return Row(
        where=where,
        start=str(float(start)),
        end=str(float(start + length)),
        label=label,
        modality=modality or unstated,
        score="" if score is None else score[1],
        inferred=inferred,
    )


def _decimal(ticks: int) -> str:
    minutes, rest = divmod(ticks, 60 * MILLISECONDS)
    hours, minute = divmod(minutes, 60)
    clock = f"{hours}:{minute:02}" if hours else f"{minute}"
    return f"{clock}:{rest // MILLISECONDS:02}.{rest % MILLISECONDS:03}"


def _seconds(clock: str, where: str) -> Fraction:
    found = CLOCK.fullmatch(clock.strip())
    if found is None:
        raise UserError(
            f"{where}: expected a time such as 1:02.500 (the time format Decimal), got "
            f"{shorten(clock)!r}; set the time display of Audition to Decimal and export again"
        )
    first, second, seconds = found.groups()
    hours, minutes = (first, second) if second is not None else (None, first)
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + Fraction(seconds)


register(
    Format(
        name="losslesscut.csv",
        description="a segment per event, with tags",
        programs="LosslessCut",
        write=to_losslesscut,
        read=from_losslesscut,
        states_modality=False,
        kept="the events",
        for_spreadsheets=True,
        markers_for=("losslesscut",),
        media_type="text/csv",
    )
)
register(
    Format(
        name="audition.csv",
        description="a marker per event",
        programs="Adobe Audition",
        write=to_audition,
        read=from_audition,
        states_modality=False,
        kept="the events, scores in hundredths",
        markers_for=("audition",),
        media_type="text/csv",
    )
)

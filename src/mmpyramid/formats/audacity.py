"""Label tracks of Audacity: start, end and a text per line, separated by tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import lines_of, shorten
from mmpyramid.core.wording import INFERRED, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import Row, to_seconds, to_timeline

STATED = re.compile(r"(?P<modality>\w+)(?: (?P<score>[\d.]+))?(?: (?P<inferred>inferred))?\]")
"""What follows the last bracket of a text that says more than a label."""
FREQUENCIES = "\\\t"
"""How a line begins that holds the frequencies of the label above it."""


def to_audacity(timeline: Timeline) -> str:
    """Write a label track; a label reads `Dog [audio 0.81]`, its score rounded for people.

    Source: the Audacity manual, Importing and Exporting Labels.

    Example:
        >>> from mmpyramid.core import Event, Modality
        >>> event = Event(1.0, 4.0, "Dog", Modality.AUDIO, 0.8)
        >>> print(to_audacity(Timeline(events=(event,), labels=("Dog",))).expandtabs(1), end="")
        1.000000 4.000000 Dog [audio 0.80]
    """
    return "".join(map(_line, timeline))


def from_audacity(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    r"""Read an exported label track.

    Args:
        text: the content of the file.
        unstated: how an event is perceived whose label has no brackets, such as `Dog`.

    Raises:
        UserError: if a line is not a label over a region; names the line.

    Example:
        >>> from_audacity("1.0\t4.0\tDog [visual]\n").events[0].modality.value
        'visual'
    """
    return to_timeline([row.to_event() for row in _rows(text, unstated)])


def _line(event: Event) -> str:
    start, end = to_seconds(event)
    stated = f"{event.modality} {event.score:.2f}{f' {INFERRED}' * event.inferred}"
    return f"{start:.6f}\t{end:.6f}\t{printable(event.label)} [{stated}]\n"


def _rows(text: str, unstated: Modality) -> Iterator[Row]:
    for number, line in lines_of(text):
        if not line.strip() or line.startswith(FREQUENCIES):
            continue
        start, end, label = _cells(line, number)
        before, _, after = label.rpartition(" [")
        stated = STATED.fullmatch(after) if label != after else None
        parts = {"label": before if stated else label, "modality": unstated}
        if stated:
            parts |= {name: part for name, part in stated.groupdict().items() if part is not None}
        yield Row(where=f"line {number}", start=start, end=end, **parts)


def _cells(line: str, number: int) -> list[str]:
    cells = line.split("\t")
    if len(cells) != 3:
        raise UserError(
            f"line {number}: expected the label of an Audacity track (start, end and text, "
            f"separated by tabs), got {shorten(line)!r}"
        )
    if cells[0] == cells[1]:
        raise UserError(
            f"line {number}: expected a label over a region, got a point: {shorten(line)!r}"
        )
    return cells


register(
    Format(
        name="labels.txt",
        description="a label track",
        programs="Audacity",
        write=to_audacity,
        read=from_audacity,
        states_modality=False,
        kept="the events, scores in hundredths",
        markers_for=("audacity",),
        suffixes=("txt",),  # Audacity suggests no name for label tracks.
    )
)

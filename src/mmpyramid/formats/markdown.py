"""Events as a table for issues, notes and papers in Markdown."""

from __future__ import annotations

import re

from mmpyramid.core import Event, Timeline
from mmpyramid.core.wording import clock, perceived, title_of
from mmpyramid.formats.registry import Format, register

HEAD = "| start | end | perceived | event | score |\n|---:|---:|---|---|---:|\n"
MARKUP = re.compile(r"([\\`*_~\[\]<>&|#$])")


def to_markdown(timeline: Timeline) -> str:
    r"""Write one row per event; what would be markup in a label is escaped.

    Source: GitHub Flavored Markdown, tables (extension).

    Example:
        >>> from mmpyramid.core import Modality
        >>> event = Event(1.0, 4.0, "Dog", Modality.AUDIO, 0.8)
        >>> print(to_markdown(Timeline(events=(event,), labels=("Dog",))), end="")
        | start | end | perceived | event | score |
        |---:|---:|---|---|---:|
        | 0:01 | 0:04 | audible | Dog | 0.80 |
    """
    return HEAD + "".join(map(_row, timeline))


def _row(event: Event) -> str:
    label = MARKUP.sub(r"\\\1", title_of(event.label))
    times = f"{clock(event.start)} | {clock(event.end)}"
    return f"| {times} | {perceived(event)} | {label} | {event.score:.2f} |\n"


register(Format(name="md", description="a table", programs="issues, notes", write=to_markdown))

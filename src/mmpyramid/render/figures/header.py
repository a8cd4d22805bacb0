"""What stands above the bars: which video, what to know about it, and whose bars are whose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from mmpyramid.core import Timeline
from mmpyramid.core.wording import clock, printable
from mmpyramid.render.figures.sheet import MARGIN, PAD, Sheet
from mmpyramid.render.figures.style import (
    INK,
    LABEL,
    OUTLINE,
    QUIET,
    SMALL,
    TITLE,
    BarStyle,
    height_of,
    system_style,
    width_of,
    wrap,
)
from mmpyramid.render.lanes import remarks

SWATCH_WIDTH, SWATCH_HEIGHT = 0.3, 0.12


def draw_header(sheet: Sheet, timelines: Mapping[str, Timeline]) -> None:
    """Write title, facts, remarks and legend at the cursor, and move it below them."""
    room = sheet.width - 2 * MARGIN
    sheet.paragraph(wrap(_title(timelines), TITLE, room, "bold"), TITLE, weight="bold")
    for line in [_facts(timelines), *_remarks(timelines)]:
        sheet.paragraph(wrap(line, SMALL, room), SMALL, color=QUIET)
    sheet.top += PAD
    if len(timelines) > 1:
        _legend(sheet, list(timelines))


def _title(timelines: Mapping[str, Timeline]) -> str:
    names = (PurePath(timeline.source).name for timeline in timelines.values())
    return printable(", ".join(dict.fromkeys(filter(None, names)))) or "Timeline"


def _facts(timelines: Mapping[str, Timeline]) -> str:
    facts = [f"duration {clock(max(timeline.duration for timeline in timelines.values()))}"]
    if len(timelines) == 1:
        (timeline,) = timelines.values()
        facts += [printable(timeline.model)] if timeline.model else []
    return " · ".join(facts)


def _remarks(timelines: Mapping[str, Timeline]) -> list[str]:
    """Each gist once, with the names of those that it is about, unless it is about all."""
    about: dict[str, list[str]] = {}
    for name, timeline in timelines.items():
        for remark in remarks(timeline):
            about.setdefault(printable(remark.gist), []).append(printable(name))
    return [
        gist if len(names) == len(timelines) else f"{', '.join(names)}: {gist}"
        for gist, names in about.items()
    ]


def _legend(sheet: Sheet, names: list[str]) -> None:
    """Swatches with names, in as many lines as they take."""
    x, num_lines = MARGIN, 0
    room = sheet.width - 2 * MARGIN
    for number, name in enumerate(map(printable, names)):
        lines = wrap(name, LABEL, room - SWATCH_WIDTH - PAD) or [""]
        wide = SWATCH_WIDTH + PAD + max(width_of(line, LABEL) for line in lines)
        if x + wide > MARGIN + room:
            sheet.top += height_of(num_lines, LABEL)
            x, num_lines = MARGIN, 0
        _swatch(sheet, x, system_style(number))
        sheet.write(x + SWATCH_WIDTH + PAD, sheet.top, lines, LABEL)
        x, num_lines = x + wide + 2 * PAD, max(num_lines, len(lines))
    sheet.top += height_of(num_lines, LABEL) + PAD


def _swatch(sheet: Sheet, x: float, style: BarStyle) -> None:
    from matplotlib.patches import Rectangle

    place = (x, sheet.top + (height_of(1, LABEL) - SWATCH_HEIGHT) / 2)
    size = (SWATCH_WIDTH, SWATCH_HEIGHT)
    fill = Rectangle(place, *size, fc=style.color, ec="white", hatch=style.hatch, lw=0)
    sheet.canvas.add_patch(fill)
    sheet.canvas.add_patch(Rectangle(place, *size, fill=False, ec=INK, lw=OUTLINE))

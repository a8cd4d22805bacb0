"""Figures for papers and slides: a timeline, a comparison of several, what selective fusion chose.

Made with matplotlib (the extra `plots`), which is loaded by the first figure.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import clock, printable
from mmpyramid.formats import Format, register
from mmpyramid.render.figures import bars, heat
from mmpyramid.render.figures.bars import to_groups
from mmpyramid.render.figures.sheet import (
    INK,
    LABEL,
    MARGIN,
    OUTLINE,
    PAD,
    QUIET,
    SMALL,
    TITLE,
    BarStyle,
    Sheet,
    height_of,
    house_style,
    system_style,
    width_of,
    wrap,
)
from mmpyramid.render.lanes import remarks, span, unit_weights_of
from mmpyramid.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "PICTURES",
    "comparison_figure",
    "timeline_figure",
    "to_png",
    "to_svg",
    "unit_weights_figure",
]

PLOT_WIDTH, LONG_PLOT_WIDTH = 6.0, 9.0
"""Inches of the time axis, for videos of up to a minute and for longer ones."""

LONG = 60


def timeline_figure(timeline: Timeline) -> Figure:
    """Draw one timeline: a lane for each label and modality, in the colors of the page.

    Example:
        >>> png = to_png(timeline_figure(Timeline.load("clip.json")))  # doctest: +SKIP
    """
    return comparison_figure({"": timeline})


def comparison_figure(timelines: Mapping[str, Timeline]) -> Figure:
    """Draw several timelines of one video in the same lanes, such as truth, HAN and ours.

    Source: Figure 6 of the MM-Pyramid paper (Yu et al., ACM MM 2022).

    Args:
        timelines: by the name that the legend has, in the order of the bars.

    Raises:
        UserError: if there is none.

    Example:
        >>> names = ("truth", "han", "ours")
        >>> timelines = {name: Timeline.load(f"{name}.json") for name in names}  # doctest: +SKIP
        >>> svg = to_svg(comparison_figure(timelines))  # doctest: +SKIP
    """
    if not timelines:
        raise UserError("expected at least one timeline to draw, got none")
    with house_style():
        seconds = max(map(span, timelines.values()))
        groups = to_groups(timelines)
        sheet = Sheet(seconds, bars.gutter_of(groups), _plot_width(seconds), PAD)
        draw_header(sheet, timelines)
        bars.draw_lanes(sheet, groups)
        return sheet.finish()


def unit_weights_figure(timeline: Timeline) -> Figure:
    """Draw which pyramid units selective fusion chose, second by second, above the events.

    Source: Figure 5 of the MM-Pyramid paper (Yu et al., ACM MM 2022).

    Raises:
        UserError: if the timeline has no unit weights.

    Example:
        >>> png = to_png(unit_weights_figure(Timeline.load("clip.json")))  # doctest: +SKIP
    """
    weights = unit_weights_of(timeline)
    with house_style():
        groups = to_groups({"": timeline})
        gutter = max(heat.gutter_of(weights), bars.gutter_of(groups))
        sheet = Sheet(span(timeline), gutter, _plot_width(span(timeline)), heat.COLOR_BAR_ROOM)
        draw_header(sheet, {"": timeline})
        heat.draw_weights(sheet, weights)
        bars.draw_lanes(sheet, groups)
        return sheet.finish()


def to_png(figure: Figure, *, dpi: int = 150) -> bytes:
    """Write a figure as PNG; the same figure gives the same bytes."""
    content = io.BytesIO()
    with house_style():
        figure.savefig(content, format="png", dpi=dpi, metadata={"Software": _creator()})
    return content.getvalue()


def to_svg(figure: Figure) -> str:
    """Write a figure as SVG whose text is text; the same figure gives the same characters."""
    content = io.StringIO()
    with house_style():
        figure.savefig(content, format="svg", metadata={"Creator": _creator(), "Date": None})
    return content.getvalue()


def _creator() -> str:
    return f"mmpyramid {__version__}"


def _plot_width(seconds: float) -> float:
    return PLOT_WIDTH if seconds <= LONG else LONG_PLOT_WIDTH


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


PICTURES: dict[str, Callable[[Figure], bytes]] = {
    "png": to_png,
    "svg": lambda figure: to_svg(figure).encode("utf-8"),
}
"""Formats that any figure can be written in."""

register(
    Format(
        name="png",
        description="a picture",
        programs="papers, slides",
        write=lambda timeline: to_png(timeline_figure(timeline)),
        package="matplotlib",
        media_type="image/png",
    )
)
register(
    Format(
        name="svg",
        description="a picture",
        programs="papers, slides",
        write=lambda timeline: to_svg(timeline_figure(timeline)),
        package="matplotlib",
        media_type="image/svg+xml",
    )
)

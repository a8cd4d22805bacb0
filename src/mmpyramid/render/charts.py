"""Charts as SVG that stand in a page: lines, and bars with whiskers.

Colors come from classes of the style sheet, since a page of ours has no styles in attributes. The
first system is drawn filled or solid, the second one outlined or dashed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmpyramid.render.page.document import escape

FULL = 100.0
"""Per cent; every value axis ends there."""
TICKS = (0, 25, 50, 75, 100)
SYSTEMS = ("first", "second")
"""Classes of the systems."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of a chart.

    Attributes:
        name: for those who hear the page.
        hue: class that colors it, such as `audio`.
        system: 0 or 1.
        points: x and y within 0..100; those with NaN are left out.
    """

    name: str
    hue: str
    system: int
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        value: per cent; NaN draws none.
        low: lower end of its interval, or NaN.
        high: upper end.
        note: shown when it is pointed at.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    note: str = ""


WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 420, 270, 46, 40, 8, 10


def line_chart(lines: Sequence[Line], *, title: str, across: str, up: str) -> str:
    """Curves over two axes from 0 to 100.

    Args:
        lines: what is drawn.
        title: what the chart shows, for those who hear the page.
        across: what the horizontal axis is.
        up: what the vertical axis is.

    Example:
        >>> line = Line(name="ours", hue="audio", system=0, points=[(0, 0), (100, 50)])
        >>> 'd="M46.0 230.0L410.0 119.0"' in line_chart([line], title="", across="", up="")
        True
    """

    def across_at(x: float) -> float:
        return LEFT + x / FULL * (WIDTH - LEFT - RIGHT)

    def up_at(y: float) -> float:
        return HEIGHT - BOTTOM - y / FULL * (HEIGHT - BOTTOM - TOP)

    def place(x: float, y: float) -> str:
        return f"{across_at(x):.1f} {up_at(y):.1f}"

    grid = "".join(
        f'<path class="grid" d="M{place(0, tick)}L{place(FULL, tick)}"/>'
        f"{_text(LEFT - 6, up_at(tick) + 4, str(tick), 'end')}"
        f"{_text(across_at(tick), HEIGHT - BOTTOM + 16, str(tick), 'middle')}"
        for tick in TICKS
    )
    drawn = "".join(
        f'<path class="curve {line.hue} {SYSTEMS[line.system]}" '
        f'd="M{"L".join(place(x, y) for x, y in line.points if not math.isnan(x + y))}">'
        f"<title>{escape(line.name)}</title></path>"
        for line in lines
        if any(not math.isnan(x + y) for x, y in line.points)
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    height = (HEIGHT - BOTTOM + TOP) / 2
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{grid}{drawn}'
        f"{_text(middle, HEIGHT - 6, across, 'middle')}"
        f'<g transform="translate(12 {height:.1f}) rotate(-90)">{_text(0, 0, up, "middle")}</g>'
        "</svg>"
    )


ROW, NAMES, BARS = 22, 150, 250


def bar_chart(rows: Sequence[tuple[str, Sequence[Bar]]], *, title: str, hue: str) -> str:
    """Horizontal bars from 0 to 100 per cent, one row for each name and one bar for each system.

    Args:
        rows: name and bars, as many as there are systems.
        title: what the chart shows, for those who hear the page.
        hue: class that colors the bars.

    Example:
        >>> bar_chart([("Dog", [Bar(value=50)])], title="F", hue="audio").count("<rect")
        1
    """
    height = ROW * len(rows) + 24
    grid = "".join(
        f'<path class="grid" d="M{_across(tick):.1f} 0V{height - 20}"/>'
        f"{_text(_across(tick), height - 6, str(tick), 'middle')}"
        for tick in TICKS
    )
    drawn = "".join(
        f"{_text(NAMES - 8, ROW * place + ROW / 2 + 4, _short(name), 'end', name)}"
        f"{_row_of_bars(bars, ROW * place, hue)}"
        for place, (name, bars) in enumerate(rows)
    )
    return (
        f'<svg class="chart" viewBox="0 0 {NAMES + BARS + 16} {height}" role="img" '
        f'aria-label="{escape(title)}">{grid}{drawn}</svg>'
    )


def _row_of_bars(bars: Sequence[Bar], top: float, hue: str) -> str:
    thick = (ROW - 6) / len(bars)
    drawn = []
    for system, bar in enumerate(bars):
        if math.isnan(bar.value):
            continue
        y = top + 3 + thick * system
        drawn.append(
            f'<rect class="bar {hue} {SYSTEMS[system]}" x="{NAMES}" y="{y:.1f}" '
            f'width="{_across(bar.value) - NAMES:.1f}" height="{thick - 1:.1f}">'
            f"<title>{escape(bar.note)}</title></rect>"
        )
        if not math.isnan(bar.low + bar.high):
            middle = y + (thick - 1) / 2
            drawn.append(
                f'<path class="whisker" d="M{_across(bar.low):.1f} {middle:.1f}'
                f'H{_across(bar.high):.1f}"/>'
            )
    return "".join(drawn)


def _across(value: float) -> float:
    return NAMES + value / FULL * BARS


LONGEST_NAME = 22


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _text(x: float, y: float, text: str, anchor: str, whole: str = "") -> str:
    """Text at a place; the whole of it, if it was shortened, when it is pointed at."""
    hint = f"<title>{escape(whole)}</title>" if whole and whole != text else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}{hint}</text>'

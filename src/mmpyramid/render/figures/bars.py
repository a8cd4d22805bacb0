"""Draws the events of timelines as bars, in a frame for each modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.palette import PALETTE
from mmpyramid.core.wording import MODALITY_WORDS, title_of
from mmpyramid.render.figures.sheet import (
    INK,
    LABEL,
    LANE,
    MARGIN,
    MODALITY_STYLES,
    OUTLINE,
    PAD,
    POINTS_PER_INCH,
    QUIET,
    BarStyle,
    Sheet,
    grid,
    height_of,
    system_style,
    width_of,
    wrap,
)
from mmpyramid.render.lanes import to_lanes


@dataclass(frozen=True)
class Group:
    """The events of one label and modality.

    Attributes:
        label: the class name, as the timelines have it.
        modality: how it is perceived.
        rows: for each timeline in order, its events.
    """

    label: str
    modality: Modality
    rows: tuple[tuple[Event, ...], ...]


def to_groups(timelines: Mapping[str, Timeline]) -> dict[Modality, list[Group]]:
    """Group the events of several timelines of one video.

    Labels come by first appearance: in the first timeline, then in the others.

    Returns:
        The groups of every modality in which any timeline has an event.

    Example:
        >>> dog = Timeline(events=(Event(0, 1, "Dog", Modality.AUDIO),), labels=("Dog",))
        >>> [len(g.rows) for g in to_groups({"truth": dog, "ours": Timeline()})[Modality.AUDIO]]
        [2]
    """
    lanes = [
        {(lane.label, lane.modality): lane.events for lane in to_lanes(timeline)}
        for timeline in timelines.values()
    ]
    present = dict.fromkeys(key for lanes_of_one in lanes for key in lanes_of_one)
    labels = dict.fromkeys(label for label, _ in present)
    groups = {
        modality: [
            Group(label, modality, tuple(one.get((label, modality), ()) for one in lanes))
            for label in labels
            if (label, modality) in present
        ]
        for modality in MODALITY_WORDS
    }
    return {modality: some for modality, some in groups.items() if some}


LONGEST_NAME = 2.4
ROW_HEIGHTS = (0.2, 0.16, 0.13)
"""Of one timeline, of each of two, and of each of more."""

GAP = 0.07
THINNEST_BAR = 1.2
"""Points; every event can be seen, however long the video."""

NARROW_BAR = 4.0
"""Points; a pattern or an outline would hide the color of narrower bars."""

MANY_GROUPS = 12
"""More groups than these have the times over them as well as under them."""


class Row(NamedTuple):
    """Bars of one style between two heights."""

    events: Sequence[Event]
    top: float
    bottom: float
    style: BarStyle


def gutter_of(groups: Mapping[Modality, Sequence[Group]]) -> float:
    """Inches that the names of the groups take."""
    names = [line for some in groups.values() for group in some for line in _name(group)]
    return max((width_of(name, LABEL) for name in names), default=0.0) + 3 * PAD


def draw_lanes(sheet: Sheet, groups: Mapping[Modality, Sequence[Group]]) -> None:
    """Draw the groups at the cursor, with the time axis, and move it below them."""
    if sum(map(len, groups.values())) > MANY_GROUPS:
        sheet.write_times()
    start = sheet.top
    rows = [row for modality, some in groups.items() for row in _frame(sheet, modality, some)]
    if rows:
        axes = sheet.time_axes(start, sheet.top)
        grid(axes)
        for row in rows:
            _draw_row(sheet, axes, row)
    else:
        _nothing(sheet)
    sheet.time_axis()


def _name(group: Group) -> list[str]:
    return wrap(title_of(group.label), LABEL, LONGEST_NAME)


def _frame(sheet: Sheet, modality: Modality, groups: Sequence[Group]) -> list[Row]:
    """Draw the frame of a modality with the names in it, and give the rows of its bars."""
    top, color = sheet.top, PALETTE[modality].edge
    sheet.top += PAD / 2
    sheet.write(
        MARGIN + PAD, sheet.top, [MODALITY_WORDS[modality]], LABEL, weight="bold", color=color
    )
    sheet.top += height_of(1, LABEL) + PAD / 2
    rows = [row for group in groups for row in _rows(sheet, group)]
    _draw_frame(sheet, top, color)
    return rows


def _nothing(sheet: Sheet) -> None:
    """An empty frame that says that it is empty."""
    top = sheet.top
    sheet.top += GAP + ROW_HEIGHTS[0] + GAP
    middle = (top + sheet.top) / 2
    center = (sheet.left + sheet.right) / 2
    sheet.write_around(center, middle, ["no events"], LABEL, ha="center", color=QUIET)
    _draw_frame(sheet, top, QUIET)


def _draw_frame(sheet: Sheet, top: float, color: str) -> None:
    """Draw a dotted frame from `top` to the cursor and move the cursor off it."""
    frame = Rectangle(
        (MARGIN, top),
        sheet.right + PAD - MARGIN,
        sheet.top - top,
        fill=False,
        edgecolor=color,
        linewidth=1.3,
        linestyle=(0, (1, 1.5)),
    )
    sheet.canvas.add_patch(frame)
    sheet.top += GAP


def _rows(sheet: Sheet, group: Group) -> list[Row]:
    """Write the name of a group, and give the rows beside it."""
    name, count = _name(group), len(group.rows)
    tall = ROW_HEIGHTS[min(count, len(ROW_HEIGHTS)) - 1]
    height = max(count * tall, height_of(len(name), LABEL))
    middle = sheet.top + height / 2
    sheet.write_around(sheet.left - PAD, middle, name, LABEL, ha="right")
    first = middle - count * tall / 2
    sheet.top += height + GAP
    return [
        Row(
            events=events,
            top=first + number * tall,
            bottom=first + (number + 1) * tall,
            style=system_style(number) if count > 1 else MODALITY_STYLES[group.modality],
        )
        for number, events in enumerate(group.rows)
    ]


def _draw_row(sheet: Sheet, axes: Axes, row: Row) -> None:
    """Draw a faint lane and the bars upon it."""
    lane = (row.top + 0.01, row.bottom - row.top - 0.02)
    axes.broken_barh([(0, sheet.seconds)], lane, facecolor=LANE, zorder=0.5)
    seconds_per_point = sheet.seconds / sheet.plot_width / POINTS_PER_INCH
    thinnest, narrow = THINNEST_BAR * seconds_per_point, NARROW_BAR * seconds_per_point
    bars = [_bar(event, sheet.seconds, thinnest) for event in row.events]
    color, hatch = row.style.color, row.style.hatch
    axes.broken_barh([bar for bar in bars if bar[1] < narrow], lane, facecolor=color, linewidth=0)
    wide = [bar for bar in bars if bar[1] >= narrow]
    axes.broken_barh(wide, lane, facecolor=color, edgecolor="white", hatch=hatch, linewidth=0)
    # Not cut off at the ends of the axis.
    axes.broken_barh(wide, lane, facecolor="none", edgecolor=INK, linewidth=OUTLINE, clip_on=False)


def _bar(event: Event, seconds: float, thinnest: float) -> tuple[float, float]:
    """Start and width within the axis."""
    start = max(min(event.start, seconds - thinnest), 0)
    return start, max(event.end - start, thinnest)

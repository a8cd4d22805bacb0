"""A figure laid out from top to bottom in inches, and the colors, patterns and fonts on it.

Its height is known when everything is on it. Text is measured, so that none is cut. Lengths are
inches, sizes of text are points.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Any
from warnings import catch_warnings, filterwarnings

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.palette import PALETTE
from mmpyramid.core.text import shorten
from mmpyramid.core.wording import clock, printable
from mmpyramid.render.figures import to_png
from mmpyramid.render.lanes import remarks_by_name, ticks

INK, QUIET, GRID, LANE = "#1c2430", "#5b6675", "#d3d8df", "#f1f3f6"
FONT = "DejaVu Sans"  # Comes with matplotlib, so that a figure looks the same everywhere.
TITLE, LABEL, SMALL = 11.0, 9.0, 8.0
OUTLINE = 0.5
POINTS_PER_INCH = 72
LINE_HEIGHT = 1.25
"""Of the size of the text."""
LONGEST_TEXT = 500
"""Characters of a name or a remark that are drawn."""


@dataclass(frozen=True)
class BarStyle:
    """A color and a pattern in white upon it; the pattern tells bars apart in print."""

    color: str
    hatch: str


# Colors after Okabe and Ito, told apart by the color-blind.
COLORS = ("#009e73", "#e69f00", "#0072b2", "#d55e00", "#cc79a7", "#56b4e9", "#7f7f7f")
HATCHES = ("", "////", "...", "xxxx", "----", r"\\\\", "||||", "++++")
MODALITY_STYLES = {
    Modality.AUDIO: BarStyle(PALETTE[Modality.AUDIO].light, "////"),
    Modality.VISUAL: BarStyle(PALETTE[Modality.VISUAL].light, "..."),
    Modality.AUDIO_VISUAL: BarStyle(PALETTE[Modality.AUDIO_VISUAL].light, ""),
}


def system_style(number: int) -> BarStyle:
    """Style of one of several timelines; the first three as in Figure 6: green, yellow, blue.

    Example:
        >>> system_style(0)
        BarStyle(color='#009e73', hatch='')
    """
    return BarStyle(COLORS[number % len(COLORS)], HATCHES[number % len(HATCHES)])


@contextmanager
def house_style() -> Iterator[None]:
    """Settings of matplotlib under which figures are made and written, whatever the user's are."""
    settings = {
        "font.family": ["sans-serif"],
        "font.sans-serif": [FONT, "Verdana", "Arial"],  # The others where an SVG is looked at.
        "hatch.linewidth": 0.9,
        "text.hinting": "no_hinting",  # Letters keep the widths that were measured.
        "svg.fonttype": "none",  # Text stays text: searchable, and small.
        "svg.hashsalt": "mmpyramid",  # Ids would be random.
    }
    with style.context(["default", settings]), catch_warnings():
        filterwarnings("ignore", "Glyph .* missing from")  # See `letters_without_glyph`.
        yield


def letters_without_glyph(figure: Figure) -> str:
    """The letters of a figure that its font lacks, each once; boxes stand for them."""
    font = get_font(findfont(FONT))
    texts = (text.get_text() for text in figure.findobj(Text))
    letters = sorted({letter for text in texts for letter in text if not letter.isspace()})
    return "".join(letter for letter in letters if not font.get_char_index(ord(letter)))


@lru_cache(maxsize=4096)
def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Inches that a line of text takes."""
    font = FontProperties(family=[FONT], size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / POINTS_PER_INCH


def height_of(num_lines: int, size: float) -> float:
    """Inches that some lines of text take."""
    return num_lines * size * LINE_HEIGHT / POINTS_PER_INCH


def wrap(text: str, size: float, limit: float, weight: str = "normal") -> list[str]:
    """Break text into lines of at most `limit` inches, at spaces where there are any.

    Of a very long text only the beginning is kept: to measure it would take minutes.

    Example:
        >>> wrap("a long sentence", LABEL, 0.9)
        ['a long', 'sentence']
    """
    lines = []
    rest = shorten(text.strip(), LONGEST_TEXT)
    while rest:
        lengths = range(1, len(rest) + 1)
        fitting = bisect_right(lengths, limit, key=lambda n: width_of(rest[:n], size, weight))
        cut = max(fitting, 1)
        if cut < len(rest) and (space := rest.rfind(" ", 0, cut + 1)) > 0:
            cut = space
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return lines


MARGIN, PAD = 0.15, 0.08
BASELINE = 0.76
"""Where letters stand, as a share of their line's height."""

MOST_TICKS = 12
LONGEST_IN_SECONDS = 120
"""Times of longer videos are written as on a clock."""


class ShownFigure(Figure):
    """A figure that a notebook shows, though pyplot, which would keep it open, does not know it."""

    def _repr_png_(self) -> bytes:
        return to_png(self)


class Sheet:
    """Paper under a cursor that moves down; everything on it shares one time axis.

    Args:
        seconds: what the time axis covers.
        gutter: inches left of the time axis, for names.
        plot_width: inches of the time axis.
        right: inches right of it.

    Attributes:
        top: where the cursor is, in inches from the top.
        canvas: axes over the whole sheet in inches, for text and frames.
    """

    def __init__(self, seconds: float, gutter: float, plot_width: float, right: float) -> None:
        self.seconds, self.plot_width = seconds, plot_width
        self.left = MARGIN + gutter
        self.right = self.left + plot_width
        self.width = self.right + right + MARGIN
        self.top = MARGIN
        self.figure = ShownFigure(facecolor="white")
        self.canvas = self.figure.add_axes((0, 0, 1, 1))
        self.canvas.set_axis_off()
        self._placed: list[tuple[Axes, float, float, float, float]] = []

    def write(self, x: float, y: float, lines: Sequence[str], size: float, **style: Any) -> None:
        """Put lines of plain text on the canvas, from `y` downward."""
        for number, line in enumerate(lines):
            # On common baselines, whether or not a line has letters that reach below.
            baseline = y + height_of(number, size) + BASELINE * height_of(1, size)
            self.canvas.text(
                x, baseline, line, size=size, parse_math=False, **{"color": INK, **style}
            )

    def write_around(
        self, x: float, middle: float, lines: Sequence[str], size: float, **style: Any
    ) -> None:
        """Put lines of plain text on the canvas, as high above `middle` as below."""
        self.write(x, middle - height_of(len(lines), size) / 2, lines, size, **style)

    def paragraph(self, lines: Sequence[str], size: float, **style: Any) -> None:
        """Write lines at the cursor and move it below them."""
        self.write(MARGIN, self.top, lines, size, **style)
        self.top += height_of(len(lines), size)

    def axes_at(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes at a place in inches."""
        axes = self.figure.add_axes((0, 0, 1, 1))
        self._placed.append((axes, left, top, width, height))
        return axes

    def time_axes(self, top: float, bottom: float) -> Axes:
        """Axes over the time axis, whose y are inches from the top of the sheet."""
        axes = self.axes_at(self.left, top, self.plot_width, bottom - top)
        axes.set(xlim=(0, self.seconds), ylim=(bottom, top), yticks=[], facecolor="none")
        axes.set_xticks(self.times(), labels=[])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return axes

    def times(self) -> list[float]:
        """The times at the ticks, as many as fit."""
        room = 1.8 * width_of(_time(self.seconds, self.seconds), SMALL)
        fitting = max(int(self.plot_width / room), 1)
        return ticks(self.seconds, most=min(fitting, MOST_TICKS))

    def write_times(self) -> None:
        """Write the times at the cursor and move it below them."""
        for time in self.times():
            x = self.left + time / self.seconds * self.plot_width
            self.write(x, self.top, [_time(time, self.seconds)], SMALL, ha="center", color=QUIET)
        self.top += height_of(1, SMALL)

    def time_axis(self) -> None:
        """Write the times and their unit at the cursor and move it below them."""
        self.write_times()
        unit = "seconds" if self.seconds <= LONGEST_IN_SECONDS else "time (h:min:s)"
        if LONGEST_IN_SECONDS < self.seconds < 3600:
            unit = "time (min:s)"
        self.write(self.left + self.plot_width / 2, self.top, [unit], LABEL, ha="center")
        self.top += height_of(1, LABEL)

    def finish(self) -> Figure:
        """Cut the sheet under the cursor."""
        height = self.top + MARGIN
        self.figure.set_size_inches(self.width, height)
        self.canvas.set(xlim=(0, self.width), ylim=(height, 0))
        for axes, left, top, width, tall in self._placed:
            bottom = height - top - tall
            axes.set_position(
                (left / self.width, bottom / height, width / self.width, tall / height)
            )
        return self.figure


def grid(axes: Axes) -> None:
    """Draw thin lines at the ticks, behind everything."""
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=GRID, linewidth=0.6)


def _time(time: float, seconds: float) -> str:
    return f"{time:g}" if seconds <= LONGEST_IN_SECONDS else clock(time)


SWATCH_WIDTH, SWATCH_HEIGHT = 0.3, 0.12


def draw_header(sheet: Sheet, timelines: Mapping[str, Timeline]) -> None:
    """Write title, facts, remarks and legend at the cursor, and move it below them."""
    room = sheet.width - 2 * MARGIN
    sheet.paragraph(wrap(_title(timelines), TITLE, room, "bold"), TITLE, weight="bold")
    gists = (printable(remark.gist) for remark in remarks_by_name(timelines))
    for line in dict.fromkeys((_facts(timelines), *gists)):
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


def _swatch(sheet: Sheet, x: float, bar: BarStyle) -> None:
    place = (x, sheet.top + (height_of(1, LABEL) - SWATCH_HEIGHT) / 2)
    size = (SWATCH_WIDTH, SWATCH_HEIGHT)
    fill = Rectangle(place, *size, fc=bar.color, ec="white", hatch=bar.hatch, lw=0)
    sheet.canvas.add_patch(fill)
    sheet.canvas.add_patch(Rectangle(place, *size, fill=False, ec=INK, lw=OUTLINE))

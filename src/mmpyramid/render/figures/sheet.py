"""A figure laid out from top to bottom in inches; its height is known when all is on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmpyramid.core.wording import clock
from mmpyramid.render.figures.style import (
    GRID,
    INK,
    LABEL,
    QUIET,
    SMALL,
    height_of,
    width_of,
)
from mmpyramid.render.lanes import ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, PAD = 0.15, 0.08
BASELINE = 0.76
"""Where letters stand, as a share of their line's height."""

MOST_TICKS = 12
LONGEST_IN_SECONDS = 120
"""Times of longer videos are written as on a clock."""


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
        from mmpyramid.render.figures.shown import ShownFigure

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

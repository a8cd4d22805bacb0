"""Colors, patterns and fonts that all figures share; text is measured, so that none is cut.

Lengths are inches, sizes of text points.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache

from mmpyramid.core import Modality

INK, QUIET, GRID, LANE = "#1c2430", "#5b6675", "#d3d8df", "#f1f3f6"
FONT = "DejaVu Sans"  # Comes with matplotlib, so that a figure looks the same everywhere.
TITLE, LABEL, SMALL = 11.0, 9.0, 8.0
OUTLINE = 0.5
POINTS_PER_INCH = 72
LINE_HEIGHT = 1.25
"""Of the size of the text."""


@dataclass(frozen=True)
class BarStyle:
    """A color and a pattern in white upon it; the pattern tells bars apart in print."""

    color: str
    hatch: str


# Colors after Okabe and Ito, told apart by the color-blind.
COLORS = ("#009e73", "#e69f00", "#0072b2", "#d55e00", "#cc79a7", "#56b4e9", "#7f7f7f")
HATCHES = ("", "////", "...", "xxxx", "----", r"\\\\", "||||", "++++")
MODALITY_STYLES = {
    Modality.AUDIO: BarStyle("#d98200", "////"),
    Modality.VISUAL: BarStyle("#0072b2", "..."),
    Modality.AUDIO_VISUAL: BarStyle("#00835f", ""),
}
"""The same as those of the page."""


def system_style(number: int) -> BarStyle:
    """Style of one of several timelines; the first three as in Figure 6: green, yellow, blue.

    Example:
        >>> system_style(0)
        BarStyle(color='#009e73', hatch='')
    """
    return BarStyle(COLORS[number % len(COLORS)], HATCHES[number % len(HATCHES)])


def house_style() -> AbstractContextManager[None]:
    """Settings of matplotlib under which figures are made and written, whatever the user's are."""
    from matplotlib import style

    settings = {
        "font.family": ["sans-serif"],
        "font.sans-serif": [FONT, "Verdana", "Arial"],  # The others where an SVG is looked at.
        "hatch.linewidth": 0.9,
        "text.hinting": "no_hinting",  # Letters keep the widths that were measured.
        "svg.fonttype": "none",  # Text stays text: searchable, and small.
        "svg.hashsalt": "mmpyramid",  # Ids would be random.
    }
    context: AbstractContextManager[None] = style.context(["default", settings])
    return context


@lru_cache(maxsize=4096)
def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Inches that a line of text takes."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=[FONT], size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / POINTS_PER_INCH


def height_of(num_lines: int, size: float) -> float:
    """Inches that some lines of text take."""
    return num_lines * size * LINE_HEIGHT / POINTS_PER_INCH


def wrap(text: str, size: float, limit: float, weight: str = "normal") -> list[str]:
    """Break text into lines of at most `limit` inches, at spaces where there are any.

    Example:
        >>> wrap("a long sentence", LABEL, 0.9)
        ['a long', 'sentence']
    """
    lines = []
    rest = text.strip()
    while rest:
        lengths = range(1, len(rest) + 1)
        fitting = bisect_right(lengths, limit, key=lambda n: width_of(rest[:n], size, weight))
        cut = max(fitting, 1)
        if cut < len(rest) and (space := rest.rfind(" ", 0, cut + 1)) > 0:
            cut = space
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return lines

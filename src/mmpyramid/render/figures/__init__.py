"""Figures for papers and slides: a timeline, a comparison of several, what selective fusion chose.

Made with matplotlib (the extra `plots`), which is loaded by the first figure: this file imports the
others, which draw, when there is something to draw.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.progress import report
from mmpyramid.core.text import shorten
from mmpyramid.formats import Format, register
from mmpyramid.render.lanes import span, unit_weights_of
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
    from mmpyramid.render.figures import bars
    from mmpyramid.render.figures.sheet import PAD, Sheet, draw_header, house_style

    with house_style():
        seconds = max(map(span, timelines.values()))
        groups = bars.to_groups(timelines)
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
    from mmpyramid.render.figures import bars, heat
    from mmpyramid.render.figures.sheet import Sheet, draw_header, house_style

    with house_style():
        groups = bars.to_groups({"": timeline})
        gutter = max(heat.gutter_of(weights), bars.gutter_of(groups))
        sheet = Sheet(span(timeline), gutter, _plot_width(span(timeline)), heat.COLOR_BAR_ROOM)
        draw_header(sheet, {"": timeline})
        heat.draw_weights(sheet, weights)
        bars.draw_lanes(sheet, groups)
        return sheet.finish()


def to_png(figure: Figure, *, dpi: int = 150) -> bytes:
    """Write a figure as PNG; the same figure gives the same bytes.

    The font has no letters of Chinese, Japanese, Korean and others, which the command line tells.

    Example:
        >>> figure = timeline_figure(Timeline(duration=10.0))  # doctest: +SKIP
        >>> Path("figure.png").write_bytes(to_png(figure))  # doctest: +SKIP
    """
    from mmpyramid.render.figures.sheet import house_style, letters_without_glyph

    if letters := letters_without_glyph(figure):
        report(
            f"the font of PNG files has no glyphs for {shorten(letters, 100)}; boxes stand for "
            "them. SVG and pages show them"
        )
    content = io.BytesIO()
    with house_style():
        figure.savefig(content, format="png", dpi=dpi, metadata={"Software": _creator()})
    return content.getvalue()


def to_svg(figure: Figure) -> str:
    """Write a figure as SVG whose text is text; the same figure gives the same characters.

    Example:
        >>> figure = timeline_figure(Timeline(duration=10.0))  # doctest: +SKIP
        >>> Path("figure.svg").write_text(to_svg(figure))  # doctest: +SKIP
    """
    from mmpyramid.render.figures.sheet import house_style

    content = io.StringIO()
    with house_style():
        figure.savefig(content, format="svg", metadata={"Creator": _creator(), "Date": None})
    return content.getvalue()


def _creator() -> str:
    return f"mmpyramid {__version__}"


def _plot_width(seconds: float) -> float:
    return PLOT_WIDTH if seconds <= LONG else LONG_PLOT_WIDTH


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

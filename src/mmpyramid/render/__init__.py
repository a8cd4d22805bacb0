"""Room 6: from a timeline to what people look at.

A renderer is a function of the timeline that returns text, a picture a function of it that returns
a figure; writing the file is the caller's job. The name of a format is also the suffix of its
files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.formats import (
    READERS,
    from_audacity,
    from_csv,
    from_elan,
    from_tsv,
    read_timeline,
    reader_of,
    to_audacity,
    to_csv,
    to_elan,
    to_tsv,
)
from mmpyramid.formats.captions import to_srt, to_vtt
from mmpyramid.render.figures import (
    comparison_figure,
    timeline_figure,
    to_png,
    to_svg,
    unit_weights_figure,
)
from mmpyramid.render.markdown import to_markdown
from mmpyramid.render.page import comparison_html, to_html
from mmpyramid.render.terminal import TerminalView, to_text
from mmpyramid.render.unit_weights import unit_weights_to_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FORMATS",
    "PICTURES",
    "READERS",
    "RENDERERS",
    "Format",
    "TerminalView",
    "comparison_figure",
    "comparison_html",
    "encode",
    "from_audacity",
    "from_csv",
    "from_elan",
    "from_tsv",
    "read_timeline",
    "reader_of",
    "render",
    "timeline_figure",
    "to_audacity",
    "to_csv",
    "to_elan",
    "to_html",
    "to_markdown",
    "to_png",
    "to_srt",
    "to_svg",
    "to_text",
    "to_tsv",
    "to_vtt",
    "unit_weights_figure",
    "unit_weights_to_csv",
]

Format: TypeAlias = Literal[
    "csv", "eaf", "html", "json", "labels.txt", "md", "png", "srt", "svg", "tsv", "txt", "vtt"
]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Every format that a timeline can be written in."""

RENDERERS: dict[str, Callable[..., str]] = {
    "csv": to_csv,
    "eaf": to_elan,
    "html": to_html,
    "json": Timeline.to_json,
    "labels.txt": to_audacity,
    "md": to_markdown,
    "srt": to_srt,
    "tsv": to_tsv,
    "txt": to_text,
    "vtt": to_vtt,
}
"""Formats that are text."""


def _svg(figure: Figure) -> bytes:
    return to_svg(figure).encode("utf-8")


PICTURES: dict[str, Callable[[Figure], bytes]] = {"png": to_png, "svg": _svg}
"""Formats that any figure can be written in."""

PACKAGES = {"eaf": "pympi", "png": "matplotlib", "svg": "matplotlib"}
"""What a format needs that not everybody installs."""


def render(timeline: Timeline, format: str, **options: Any) -> str:  # noqa: A002
    r"""Write a timeline in one of the formats of `RENDERERS`, as text.

    Args:
        timeline: what to write.
        format: a key of `RENDERERS`.
        **options: keyword arguments of that renderer, such as `video` of `to_html`.

    Raises:
        UserError: if the format is unknown.

    Example:
        >>> render(Timeline(), "csv")
        'label,modality,start,end,score\n'
    """
    if format not in RENDERERS:
        raise UserError(f"expected a format out of {', '.join(RENDERERS)}; got {format!r}")
    return RENDERERS[format](timeline, **options)


def encode(timeline: Timeline, format: str, **options: Any) -> bytes:  # noqa: A002
    r"""Write a timeline in one of `FORMATS`, as the bytes of its file.

    Args:
        timeline: what to write.
        format: one of `FORMATS`.
        **options: keyword arguments of that renderer.

    Raises:
        UserError: if the format is unknown.

    Example:
        >>> encode(Timeline(), "csv")
        b'label,modality,start,end,score\n'
    """
    if format in PICTURES:
        return PICTURES[format](timeline_figure(timeline))
    if format not in RENDERERS:
        raise UserError(f"expected a format out of {', '.join(FORMATS)}; got {format!r}")
    return render(timeline, format, **options).encode("utf-8")

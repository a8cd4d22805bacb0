"""From a timeline to what people look at: the terminal, a page, figures.

These are formats, too, and importing this room registers them: `FORMATS` has all.
"""

from mmpyramid.formats import (
    FORMATS,
    READERS,
    Format,
    encode,
    from_audacity,
    from_csv,
    from_elan,
    from_tsv,
    marker_formats,
    read_timeline,
    reader_of,
    register,
    render,
    to_audacity,
    to_csv,
    to_elan,
    to_markdown,
    to_srt,
    to_tsv,
    to_vtt,
)
from mmpyramid.render.figures import (
    PICTURES,
    comparison_figure,
    timeline_figure,
    to_png,
    to_svg,
    unit_weights_figure,
)
from mmpyramid.render.lanes import unit_weights_to_csv
from mmpyramid.render.page import comparison_html, to_html
from mmpyramid.render.terminal import TerminalView, to_text

__all__ = [
    "FORMATS",
    "PICTURES",
    "READERS",
    "Format",
    "TerminalView",
    "comparison_figure",
    "comparison_html",
    "encode",
    "from_audacity",
    "from_csv",
    "from_elan",
    "from_tsv",
    "marker_formats",
    "read_timeline",
    "reader_of",
    "register",
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

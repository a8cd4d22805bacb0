"""A timeline in a notebook: the page in a frame, a figure, a table of pandas."""

from __future__ import annotations

import html
from dataclasses import asdict
from typing import TYPE_CHECKING

from mmpyramid.core import Timeline
from mmpyramid.core.errors import extra
from mmpyramid.render.figures import timeline_figure
from mmpyramid.render.lanes import to_lanes
from mmpyramid.render.page import to_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

COLUMNS = ["label", "modality", "start", "end", "score", "inferred"]
HEAD, LANE, TALLEST = 420, 32, 720
"""Pixels: what is above and below the lanes, a lane, and the frame at most, which then scrolls."""


def to_frame(timeline: Timeline) -> str:
    """Put the page of a timeline into a frame, so that the notebook's own styles stay outside.

    The page is without its video, which would bloat the notebook; `to_html` embeds it.

    Example:
        >>> to_frame(Timeline(source="clip.mp4", duration=10.0)).startswith("<iframe")
        True
    """
    height = min(HEAD + LANE * len(to_lanes(timeline)), TALLEST)
    return (
        f'<iframe srcdoc="{html.escape(to_html(timeline))}" title="Timeline" '
        f'style="width: 100%; height: {height}px; border: 0"></iframe>'
    )


def to_figure(timeline: Timeline) -> Figure:
    """Draw a timeline; needs matplotlib.

    Raises:
        ModuleNotFoundError: if it is not installed.
    """
    with extra("plots", "`plot`"):
        return timeline_figure(timeline)


def to_pandas(timeline: Timeline) -> DataFrame:
    """Make a table of the events; needs pandas.

    Raises:
        ModuleNotFoundError: if it is not installed.

    Example:
        >>> list(to_pandas(Timeline()).columns)
        ['label', 'modality', 'start', 'end', 'score', 'inferred']
    """
    with extra("pandas", "`to_pandas`"):
        import pandas as pd
    rows = [{**asdict(event), "modality": event.modality.value} for event in timeline]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs = {name: getattr(timeline, name) for name in ("source", "model", "duration")}
    return table

"""How a timeline shows itself in a notebook; the room of renderers is entered when asked to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

NOTEBOOK = "mmpyramid.render.notebook"


class Views:
    """What a timeline inherits: a page, a figure and a table of itself."""

    def _repr_html_(self) -> str:
        """The page, in a frame: Jupyter, VS Code and Colab show it for the last value of a cell."""
        return str(_view("to_frame")(self))

    def plot(self) -> Figure:
        """Draw the timeline as a figure, which a notebook shows.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed; tells how.

        Example:
            >>> Timeline.load("clip.json").plot().savefig("clip.pdf")  # doctest: +SKIP
        """
        figure: Figure = _view("to_figure")(self)
        return figure

    def to_pandas(self) -> DataFrame:
        """Make a table with the columns label, modality, start, end and score, a row per event.

        Times are seconds. Source, model and duration are in the table's `attrs`.

        Raises:
            ModuleNotFoundError: if pandas is not installed; tells how.

        Example:
            >>> events = Timeline.load("clip.json").to_pandas()  # doctest: +SKIP
            >>> events.groupby("label").score.max()  # doctest: +SKIP
        """
        table: DataFrame = _view("to_pandas")(self)
        return table


def _view(name: str) -> Any:
    return getattr(import_module(NOTEBOOK), name)

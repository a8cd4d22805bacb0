"""A figure that a notebook shows, though pyplot, which would keep it open, knows nothing of it."""

from __future__ import annotations

from matplotlib.figure import Figure

from mmpyramid.render.figures import to_png


class ShownFigure(Figure):
    """A figure of matplotlib; Jupyter asks it for its picture."""

    def _repr_png_(self) -> bytes:
        return to_png(self)

"""Draws the weights of pyramid units as heat, a panel for each modality.

Axes: L pyramid units, T segments of one second, K cells of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from mmpyramid.core import Array, Modality, UnitWeights
from mmpyramid.render.figures.sheet import INK, LABEL, PAD, QUIET, SMALL, Sheet, height_of, width_of

CELL_HEIGHT = 0.27
TITLE_HEIGHT = height_of(1, LABEL) + PAD / 2
MOST_CELLS = 240
"""Of a row; the seconds of longer videos share cells, which show their mean."""

NARROWEST_NUMBER = 0.32
"""Cells of fewer inches have no room for their number."""

COLORS = "Blues"
DARK = 0.55
"""Weights above are written in white."""

BAR_WIDTH = 0.13
COLOR_BAR_ROOM = 0.62
"""Inches right of the time axis that the color bar takes."""


def gutter_of(weights: UnitWeights) -> float:
    """Inches that the names of the units take."""
    return width_of(_unit(len(weights[0]) - 1), LABEL) + 2 * PAD


def draw_weights(sheet: Sheet, weights: UnitWeights) -> None:
    """Draw both panels at the cursor, with a color bar, and move it below them."""
    first = sheet.top + TITLE_HEIGHT
    for modality, values in zip((Modality.AUDIO, Modality.VISUAL), weights, strict=True):
        title = f"{modality} features: weight of each pyramid unit"
        sheet.write(sheet.left, sheet.top, [title], LABEL, weight="bold")
        sheet.top += TITLE_HEIGHT
        mesh = _panel(sheet, np.array(values, np.float32))
        sheet.top += PAD
    _color_bar(sheet, mesh, first, sheet.top - PAD)


def _unit(number: int) -> str:
    return f"unit {number + 1}"


def _panel(sheet: Sheet, weight_LT: Array) -> QuadMesh:
    num_units = len(weight_LT)
    bottom = sheet.top + num_units * CELL_HEIGHT
    axes = sheet.time_axes(sheet.top, bottom)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(QUIET)
    cell_LK, edges = to_cells(weight_LT)
    edges = edges.clip(max=sheet.seconds)
    heights = sheet.top + np.arange(num_units + 1, dtype=np.float32) * CELL_HEIGHT
    mesh = axes.pcolormesh(edges, heights, cell_LK, cmap=COLORS, vmin=0, vmax=1)
    for number in range(num_units):
        y = heights[number] + CELL_HEIGHT / 2
        sheet.write_around(sheet.left - PAD, y, [_unit(number)], LABEL, ha="right")
    if sheet.plot_width / sheet.seconds * (edges[1] - edges[0]) >= NARROWEST_NUMBER:
        mesh.set(edgecolor="white", linewidth=0.8)
        centers = (edges[:-1] + np.diff(edges) / 2).tolist()
        _numbers(axes, cell_LK, centers, (heights[:-1] + CELL_HEIGHT / 2).tolist())
    sheet.top = bottom
    return mesh


def to_cells(weight_LT: Array) -> tuple[Array, Array]:
    """Average the seconds that share a cell, so that a row has `MOST_CELLS` cells at most.

    Returns:
        The cells (L, K) and their K + 1 edges in seconds.

    Example:
        >>> to_cells(np.ones((1, 600), np.float32))[1][:3].tolist()
        [0.0, 3.0, 6.0]
    """
    num_segments = weight_LT.shape[1]
    size = max(1, -(-num_segments // MOST_CELLS))
    starts = np.arange(0, num_segments, size)
    edges = np.append(starts, num_segments).astype(np.float32)
    sum_LK: Array = np.add.reduceat(weight_LT, starts, axis=1)
    return sum_LK / np.diff(edges), edges


def _numbers(axes: Axes, cell_LK: Array, x_K: Sequence[float], y_L: Sequence[float]) -> None:
    for y, row in zip(y_L, cell_LK.tolist(), strict=True):
        for x, weight in zip(x_K, row, strict=True):
            color = "white" if weight > DARK else INK
            axes.text(x, y, f"{weight:.2f}", size=SMALL, color=color, ha="center", va="center")


def _color_bar(sheet: Sheet, mesh: QuadMesh, top: float, bottom: float) -> None:
    axes = sheet.axes_at(sheet.right + 2 * PAD, top, BAR_WIDTH, bottom - top)
    bar = sheet.figure.colorbar(mesh, cax=axes, ticks=[0, 0.5, 1], format="%g")
    bar.ax.tick_params(labelsize=SMALL, color=QUIET, labelcolor=QUIET, length=2)
    bar.outline.set_edgecolor(QUIET)

"""What tests look for in figures: texts and bars of the SVG, pixels of the PNG."""

import io
import xml.etree.ElementTree as ET
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.text import Text

from mmpyramid.render.figures.sheet import house_style

SVG = "{http://www.w3.org/2000/svg}"
OUTLINE = "fill: none; stroke: #1c2430; stroke-width: 0.5"


class Bar(NamedTuple):
    """An outlined bar, in seconds, and the height of its middle in points from the top."""

    start: float
    end: float
    middle: float


class Drawing:
    """The texts and bars of an SVG."""

    def __init__(self, svg: str) -> None:
        self.root = ET.fromstring(svg)
        self.places = [
            ("".join(text.itertext()), float(text.get("x")), float(text.get("y")))
            for text in self.root.iter(f"{SVG}text")
        ]
        self.texts = [text for text, _, _ in self.places]

    def seconds(self, x: float) -> float:
        """The time at a place, by the numbers under the axis."""
        below = max(y for text, _, y in self.places if text == "0")
        at = {float(text): tx for text, tx, y in self.places if y == below}
        (first, x0), (last, x1) = min(at.items()), max(at.items())
        return first + (x - x0) / (x1 - x0) * (last - first)

    @property
    def bars(self) -> list[Bar]:
        """Every outlined bar from top to bottom."""
        found = []
        for path in self.root.iter(f"{SVG}path"):
            # Swatches of the legend are outlined as well, but cut to the canvas.
            if path.get("style") == OUTLINE and path.get("clip-path") is None:
                numbers = path.get("d").replace("M", "").replace("L", "").replace("z", "").split()
                xs, ys = np.array(numbers, float).reshape(-1, 2).T
                start, end = (round(self.seconds(x), 3) for x in (min(xs), max(xs)))
                found.append(Bar(start, end, float(ys.mean())))
        return sorted(found, key=lambda bar: (round(bar.middle), bar.start))


def pixels(png: bytes):
    """(H, W, 3) within 0..1."""
    return imread(io.BytesIO(png), format="png")[..., :3]


def pixel_at(figure, axes, x: float, y: float, dpi: float) -> tuple[int, int]:
    """Row and column of a place in data coordinates."""
    across, up = axes.transData.transform((x, y)) * dpi / figure.dpi
    return round(figure.get_figheight() * dpi - up), round(across)


def text_boxes(figure) -> dict[str, list]:
    """The boxes of all texts in pixels, and under "" that of the figure."""
    boxes = {"": [figure.bbox]}
    with house_style():
        renderer = FigureCanvasAgg(figure).get_renderer()
        for text in figure.findobj(Text):
            if text.get_text() and text.get_visible():
                boxes.setdefault(text.get_text(), []).append(text.get_window_extent(renderer))
    return boxes

"""Procedural sprites, one per class: textured pictures with transparency, in a loop of phases.

A sprite is drawn on a `Canvas` whose coordinates x (right) and y (down) run from -1 to 1. Shapes
are signed distances, negative inside, so that edges are antialiased at any size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array

Shape: TypeAlias = NDArray[np.float32]
"""(S, S) signed distance to a shape's edge, negative inside."""

Color: TypeAlias = tuple[float, float, float]
"""Red, green, blue in 0..255."""

GOLD: Color = (222, 170, 40)
DARK: Color = (40, 34, 30)
WHITE: Color = (245, 242, 230)
RED: Color = (205, 30, 35)
BLUE: Color = (45, 105, 215)
GREEN: Color = (70, 165, 40)
STEEL: Color = (130, 138, 150)
CLOUD: Color = (205, 212, 226)


class Canvas:
    """A square picture to paint shapes on, from back to front.

    Attributes:
        x: (S, S) horizontal coordinate.
        y: (S, S) vertical coordinate.
        rgb: (S, S, 3) colors in 0..255.
        alpha: (S, S) opacity in 0..1.
    """

    def __init__(self, size: int) -> None:
        axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
        self.x, self.y = np.meshgrid(axis, axis)
        self.rgb = np.zeros((size, size, 3), np.float32)
        self.alpha = np.zeros((size, size), np.float32)

    def paint(self, shape: Shape, color: Color, texture: Shape | float = 1.0) -> None:
        """Cover a shape with a color whose brightness the texture (S, S) scales."""
        cover = np.clip(0.5 - shape * (len(self.x) / 2), 0, 1)
        brightness = np.broadcast_to(np.asarray(texture, np.float32), cover.shape)
        painted = np.minimum(255, np.array(color, np.float32) * brightness[..., None])
        self.rgb += cover[..., None] * (painted - self.rgb)
        self.alpha += cover * (1 - self.alpha)

    def disk(self, x: float, y: float, radius: float, stretch: float = 1.0) -> Shape:
        """A disk, or an ellipse `stretch` times as wide as high (distance approximate)."""
        distance: Shape = np.hypot((self.x - x) / stretch, self.y - y) - radius
        return distance

    def box(self, x: float, y: float, half_width: float, half_height: float) -> Shape:
        """A rectangle around (x, y)."""
        distance: Shape = np.maximum(abs(self.x - x) - half_width, abs(self.y - y) - half_height)
        return distance

    def stroke(self, start: tuple[float, float], end: tuple[float, float], width: float) -> Shape:
        """A straight stroke with round ends."""
        (x0, y0), (x1, y1) = start, end
        dx, dy = x1 - x0, y1 - y0
        along = ((self.x - x0) * dx + (self.y - y0) * dy) / (dx * dx + dy * dy)
        along = np.clip(along, 0, 1)
        distance: Shape = np.hypot(self.x - x0 - along * dx, self.y - y0 - along * dy) - width / 2
        return distance

    def stripes(self, count: float, angle: float, depth: float = 0.3) -> Shape:
        """A texture of `count` soft stripes across the canvas."""
        across = self.x * np.cos(angle) + self.y * np.sin(angle)
        texture: Shape = 1 + depth * np.sin(np.pi * count * across)
        return texture


Sprite: TypeAlias = Callable[[Canvas, float], None]
"""Paints itself on a canvas at a phase 0..1 of its loop."""


def _swing(phase: float) -> float:
    return float(np.sin(2 * np.pi * phase))


def bell(canvas: Canvas, phase: float) -> None:
    """A golden bell that swings its clapper."""
    swing = 0.22 * _swing(phase)
    flare = 0.34 + 0.32 * np.clip((canvas.y + 0.1) / 0.7, 0, 1) ** 2
    body = np.maximum(abs(canvas.x) - flare, abs(canvas.y - 0.05) - 0.55)
    shine = 0.75 + 0.5 * np.exp(-((canvas.x + 0.15) ** 2) / 0.03)
    canvas.paint(canvas.disk(swing, 0.7, 0.17), DARK)
    canvas.paint(canvas.disk(0, -0.72, 0.16), GOLD, 0.7)
    canvas.paint(np.minimum(body, canvas.disk(0, -0.45, 0.36)), GOLD, shine)
    canvas.paint(canvas.box(0, 0.52, 0.72, 0.08), GOLD, 0.65)
    canvas.paint(canvas.box(0, -0.2, 0.38, 0.04), DARK)


def siren(canvas: Canvas, phase: float) -> None:
    """A red and blue beacon whose halves flash in turn, with rays."""
    left, right = (1.25, 0.45) if phase < 0.5 else (0.45, 1.25)
    for angle in np.linspace(np.pi * 1.1, np.pi * 1.9, 5):
        tip = (0.95 * np.cos(angle), 0.95 * np.sin(angle) + 0.1)
        canvas.paint(canvas.stroke((0, 0.1), tip, 0.09), (255, 225, 90))
    dome = np.maximum(canvas.disk(0, 0.25, 0.62), canvas.y - 0.3)
    ridges = canvas.stripes(9, 0.0, 0.15)
    canvas.paint(np.maximum(dome, canvas.x), RED, left * ridges)
    canvas.paint(np.maximum(dome, -canvas.x), BLUE, right * ridges)
    canvas.paint(canvas.box(0, 0.55, 0.78, 0.27), DARK, canvas.stripes(6, np.pi / 2))


def drum(canvas: Canvas, phase: float) -> None:
    """A red drum with white lacing, a pale skin and two beating sticks."""
    shell = np.maximum(abs(canvas.x) - 0.75, abs(canvas.y - 0.3) - 0.42)
    lacing = abs((canvas.x * 2.2) % 1 - 0.5) * 1.5 - (canvas.y + 0.05)
    canvas.paint(shell, RED, canvas.stripes(4, 0.0, 0.2))
    canvas.paint(np.maximum(shell, abs(lacing) - 0.09), WHITE)
    canvas.paint(canvas.box(0, 0.7, 0.78, 0.07), GOLD)
    canvas.paint(canvas.disk(0, -0.12, 0.2, 3.9), GOLD, 0.8)
    canvas.paint(canvas.disk(0, -0.14, 0.16, 4.3), WHITE)
    lift = 0.15 * _swing(phase)
    for side, height in ((-1, lift), (1, -lift)):
        tip = (side * 0.2, -0.25 + height)
        canvas.paint(canvas.stroke((side * 0.85, -0.85 + height), tip, 0.1), (150, 95, 45))
        canvas.paint(canvas.disk(*tip, 0.1), (110, 60, 25))


def bird(canvas: Canvas, phase: float) -> None:
    """A blue bird with a yellow breast and a flapping, feathered wing."""
    feathers = canvas.stripes(12, 0.6, 0.25)
    canvas.paint(canvas.stroke((-0.45, 0.15), (-0.95, -0.1), 0.22), BLUE, 0.6 * feathers)
    canvas.paint(canvas.disk(-0.05, 0.15, 0.42, 1.35), BLUE, feathers)
    canvas.paint(canvas.disk(0.1, 0.33, 0.25, 1.4), (240, 190, 40), feathers)
    canvas.paint(canvas.disk(0.48, -0.22, 0.31), BLUE, 1.1)
    canvas.paint(canvas.stroke((0.75, -0.2), (0.95, -0.14), 0.13), (245, 130, 20))
    canvas.paint(canvas.disk(0.56, -0.3, 0.1), WHITE)
    canvas.paint(canvas.disk(0.59, -0.3, 0.055), DARK)
    tip = (-0.4, 0.1 - 0.75 * _swing(phase))
    canvas.paint(canvas.stroke((0.1, 0.1), tip, 0.34), (25, 60, 150), feathers)
    for x in (-0.1, 0.12):
        canvas.paint(canvas.stroke((x, 0.55), (x, 0.85), 0.06), (200, 110, 40))


def engine(canvas: Canvas, phase: float) -> None:
    """A turning steel gear with bolts, in front of an orange block."""
    canvas.paint(canvas.box(0, 0, 0.92, 0.6), (205, 105, 30), canvas.stripes(10, np.pi / 2, 0.35))
    radius, angle = np.hypot(canvas.x, canvas.y), np.arctan2(canvas.y, canvas.x)
    teeth = 0.7 + 0.12 * np.sign(np.cos(10 * angle + 2 * np.pi * phase))
    canvas.paint(radius - teeth, STEEL, 1 + 0.35 * np.cos(2 * angle))
    canvas.paint(canvas.disk(0, 0, 0.46), STEEL, 0.55)
    for spoke in 2 * np.pi * (np.arange(5) + phase / 2) / 5:
        canvas.paint(canvas.disk(0.32 * np.cos(spoke), 0.32 * np.sin(spoke), 0.1), DARK)
    canvas.paint(canvas.disk(0, 0, 0.14), (215, 120, 40))


def clock(canvas: Canvas, phase: float) -> None:
    """A white dial with marks and two hands in a wooden frame."""
    canvas.paint(canvas.disk(0, 0, 0.95), (125, 75, 35), canvas.stripes(14, 0.3, 0.25))
    canvas.paint(canvas.disk(0, 0, 0.78), WHITE)
    for angle in 2 * np.pi * np.arange(12) / 12:
        inner, outer = ((r * float(np.cos(angle)), r * float(np.sin(angle))) for r in (0.58, 0.7))
        canvas.paint(canvas.stroke(inner, outer, 0.08), DARK)
    for length, width, turns in ((0.6, 0.08, phase), (0.38, 0.12, 0.35)):
        angle = 2 * np.pi * turns
        tip = (length * float(np.sin(angle)), -length * float(np.cos(angle)))
        canvas.paint(canvas.stroke((0, 0), tip, width), DARK)
    canvas.paint(canvas.disk(0, 0, 0.08), RED)


def cricket(canvas: Canvas, phase: float) -> None:
    """A green insect, banded, with bent legs and long feelers that tremble."""
    tremble = 0.08 * _swing(phase)
    for x, knee in ((-0.35, -0.6), (0.0, 0.1), (0.3, 0.5)):
        height = -0.45 if knee < 0 else 0.35
        canvas.paint(canvas.stroke((x, 0.15), (knee, height + tremble), 0.12), (40, 95, 25))
        canvas.paint(canvas.stroke((knee, height + tremble), (knee - 0.2, 0.8), 0.08), (40, 95, 25))
    canvas.paint(canvas.disk(-0.15, 0.12, 0.27, 2.6), GREEN, canvas.stripes(13, 0.25, 0.4))
    canvas.paint(canvas.disk(0.62, 0.02, 0.27), GREEN, 1.2)
    canvas.paint(canvas.disk(0.72, -0.06, 0.09), DARK)
    for reach in (0.3, 0.75):
        tip = (reach, -0.92 + tremble)
        canvas.paint(canvas.stroke((0.65, -0.2), tip, 0.05), (40, 95, 25))


def rain(canvas: Canvas, phase: float) -> None:
    """A grey cloud with slanted drops that fall in a loop."""
    for column, x in enumerate(np.linspace(-0.65, 0.7, 6)):
        for row in range(2):
            fall = (phase + 0.37 * column + 0.5 * row) % 1
            y = 0.05 + 0.75 * fall
            drop = canvas.stroke((x - 0.1 * fall, y), (x - 0.1 * fall - 0.07, y + 0.18), 0.09)
            canvas.paint(drop, (70, 150, 250))
    shade = 1.05 - 0.4 * np.clip((canvas.y + 0.6) / 0.7, 0, 1)
    puffs = [(-0.5, -0.25, 0.36), (0.0, -0.45, 0.45), (0.48, -0.28, 0.38), (0.0, -0.15, 0.33)]
    for x, y, radius in puffs:
        canvas.paint(canvas.disk(x, y, radius), CLOUD, shade)


SPRITES: dict[str, Sprite] = {
    "Bell": bell,
    "Siren": siren,
    "Drum": drum,
    "Bird": bird,
    "Engine": engine,
    "Clock": clock,
    "Cricket": cricket,
    "Rain": rain,
}
"""Label to sprite."""


def draw_sprite(label: str, size: int, num_phases: int, tint: Array) -> Array:
    """Draw the loop of one class.

    Args:
        label: a key of `SPRITES`.
        size: S, side of the picture in pixels.
        num_phases: P, pictures in the loop.
        tint: (3,) factors on red, green and blue.

    Returns:
        (P, S, S, 4) float32: red, green, blue in 0..255, alpha in 0..1.
    """
    loop = np.empty((num_phases, size, size, 4), np.float32)
    for index in range(num_phases):
        canvas = Canvas(size)
        SPRITES[label](canvas, index / num_phases)
        loop[index, ..., :3] = np.minimum(255, canvas.rgb * tint)
        loop[index, ..., 3] = canvas.alpha
    return loop

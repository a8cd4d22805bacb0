"""The picture of a clip: a cluttered background under a drifting camera, with moving sprites.

Sprites are procedural, one per class: textured pictures with transparency, in a loop of phases. A
sprite is drawn on a `Canvas` whose coordinates x (right) and y (down) run from -1 to 1. Shapes are
signed distances, negative inside, so that edges are antialiased at any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Event, Modality
from mmpyramid.core.errors import UserError

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


CAMERA_MARGIN = 12
NUM_PHASES = 4
SPRITE_HEIGHT = (0.7, 0.9)
# Share of its place that a sprite may fill: neighbors overlap a little.
MAX_FILL = 1.15
GRAIN_STD = 3.0


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """Size and rates of the rendered files.

    Attributes:
        width: pixels, even (H.264 with halved color needs it).
        height: pixels, even.
        frames_per_second: pictures per second.
        sample_rate: samples of sound per second.
        num_segments: T, length in seconds.

    Raises:
        UserError: if a number is not positive or a side is odd.
    """

    width: int = 192
    height: int = 144
    frames_per_second: int = 8
    sample_rate: int = 16000
    num_segments: int = 10

    def __post_init__(self) -> None:
        numbers = (self.width, self.height, self.frames_per_second, self.sample_rate)
        if min(*numbers, self.num_segments) < 1 or self.width % 2 or self.height % 2:
            raise UserError(f"a clip needs positive numbers and even sides in pixels, got {self}")

    @property
    def num_frames(self) -> int:
        """Pictures per clip."""
        return self.num_segments * self.frames_per_second

    @property
    def num_samples(self) -> int:
        """Samples of sound per clip."""
        return self.num_segments * self.sample_rate


@dataclass(frozen=True, kw_only=True, eq=False)
class _Film:
    """What a slowly drifting camera sees of a still background.

    Attributes:
        scene: the background, larger than the picture, RGB in 0..255.
        corners: (num_frames, 2) top left corner of the picture as (row, column).
        brightness: (num_frames,) factor.
    """

    scene: Array
    corners: NDArray[np.int_]
    brightness: Array

    def picture(self, index: int, clip: ClipFormat) -> Array:
        row, column = self.corners[index]
        window = self.scene[row : row + clip.height, column : column + clip.width]
        picture: Array = window * self.brightness[index]
        return picture


@dataclass(frozen=True, kw_only=True, eq=False)
class _Actor:
    """One sprite on its way through the clip.

    Attributes:
        loop: (P, S, S, 4) phases of the sprite.
        corners: (num_frames, 2) top left corner of the sprite as (row, column).
        visible: (num_frames,) whether it is in the picture.
    """

    loop: Array
    corners: NDArray[np.int_]
    visible: NDArray[np.bool_]

    def paste(self, picture: Array, index: int) -> None:
        row, column = self.corners[index]
        sprite = self.loop[index % NUM_PHASES]
        window = picture[row : row + len(sprite), column : column + len(sprite)]
        sprite = sprite[:, : window.shape[1]]
        window += sprite[..., 3:] * (sprite[..., :3] - window)


def render_frames(
    events: Iterable[Event], clip: ClipFormat, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw all pictures of a clip.

    Args:
        events: planted events; those that are only heard are skipped. A sprite is in the picture
            exactly from an event's start to its end.
        clip: size and rates.
        rng: source of randomness.

    Returns:
        (num_frames, height, width, 3) uint8 RGB.
    """
    film = _shoot(clip, rng)
    actors = _cast([event for event in events if event.modality is Modality.VISUAL], clip, rng)
    frames = np.empty((clip.num_frames, clip.height, clip.width, 3), np.uint8)
    for index in range(clip.num_frames):
        picture = film.picture(index, clip)
        for actor in actors:
            if actor.visible[index]:
                actor.paste(picture, index)
        frames[index] = np.clip(picture, 0, 255)
    return frames


def _shoot(clip: ClipFormat, rng: np.random.Generator) -> _Film:
    height, width = clip.height + 2 * CAMERA_MARGIN, clip.width + 2 * CAMERA_MARGIN
    times = np.arange(clip.num_frames) / clip.frames_per_second
    drift = [_wave(times, rng, CAMERA_MARGIN) + CAMERA_MARGIN for _ in range(2)]
    return _Film(
        scene=_background(height, width, rng),
        corners=np.round(drift).astype(np.int_).T,
        brightness=(1 + _wave(times, rng, 0.08)).astype(np.float32),
    )


def _cast(events: Sequence[Event], clip: ClipFormat, rng: np.random.Generator) -> list[_Actor]:
    """One sprite per label, side by side."""
    labels = sorted({event.label for event in events})
    places = rng.permutation(max(2, len(labels)))
    actors = []
    for label, place in zip(labels, places, strict=False):
        visible = np.zeros(clip.num_frames, np.bool_)
        for event in events:
            if event.label == label:
                first, last = (int(t * clip.frames_per_second) for t in (event.start, event.end))
                visible[first:last] = True
        height = clip.height * rng.uniform(*SPRITE_HEIGHT)
        size = round(min(height, MAX_FILL * clip.width / len(labels)))
        tint = rng.uniform(0.85, 1.15, 3).astype(np.float32)
        loop = draw_sprite(label, size, NUM_PHASES, tint)
        corners = _path((place + 0.5) / len(places), size, clip, rng)
        actors.append(_Actor(loop=loop, corners=corners, visible=visible))
    return actors


def _wave(times: NDArray[np.float64], rng: np.random.Generator, size: float) -> NDArray[np.float64]:
    """A slow movement between -size and size."""
    turns = rng.uniform(0.03, 0.12) * times + rng.random()
    return size * rng.uniform(0.3, 1.0) * np.sin(2 * np.pi * turns)


def _background(height: int, width: int, rng: np.random.Generator) -> Array:
    """A gradient between two muted colors with noise at several scales and clutter."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    blend = 0.5 + 0.5 * np.sin(3 * (x * np.cos(angle) + y * np.sin(angle)) + angle)
    grays, tints = rng.uniform(50, 180, (2, 1)), rng.uniform(-25, 25, (2, 3))
    first, second = grays + tints
    scene: Array = (first + blend[..., None] * (second - first)).astype(np.float32)
    for cell in (6, 18, 48):
        noise = _smooth_noise(height, width, cell, rng)[..., None]
        scene += np.float32(rng.uniform(2, 12)) * noise
    scene += (GRAIN_STD * rng.standard_normal((height, width, 1))).astype(np.float32)
    for _ in range(rng.integers(2, 6)):
        _clutter(scene, x, y, rng)
    return scene


def _smooth_noise(height: int, width: int, cell: int, rng: np.random.Generator) -> Array:
    """Normal noise on a grid of `cell` pixels, interpolated linearly between its points."""
    rows, columns = (_hat_weights(size, cell) for size in (height, width))
    grid = rng.standard_normal((rows.shape[1], columns.shape[1])).astype(np.float32)
    noise: Array = (rows @ grid @ columns.T).astype(np.float32)
    return noise


def _hat_weights(size: int, cell: int) -> Array:
    """(size, points) weight of each grid point in each pixel."""
    pixels, points = np.arange(size) / cell, np.arange(size // cell + 2)
    weights: Array = np.maximum(0, 1 - abs(pixels[:, None] - points)).astype(np.float32)
    return weights


def _clutter(scene: Array, x: Array, y: Array, rng: np.random.Generator) -> None:
    """Blend one plain box or disk of any color into the scene, in place."""
    dx, dy = x - rng.uniform(0, 1), y - rng.uniform(0, 0.8)
    width, height = rng.uniform(0.02, 0.16, 2)
    box = (abs(dx) < width) & (abs(dy) < height)
    shape = box if rng.random() < 0.5 else np.hypot(dx, dy) < width
    color = rng.uniform(30, 210, 3).astype(np.float32)
    scene[shape] += np.float32(rng.uniform(0.15, 0.5)) * (color - scene[shape])


def _path(center: float, size: int, clip: ClipFormat, rng: np.random.Generator) -> NDArray[np.int_]:
    """Top left corners (num_frames, 2) as (row, column): a sway about the sprite's own place."""
    times = 4 * np.arange(clip.num_frames) / clip.frames_per_second
    row = (clip.height - size) / 2 + _wave(times, rng, (clip.height - size) / 2)
    column = center * clip.width - size / 2 + _wave(times, rng, clip.width / 10)
    path = np.round(np.stack([row, column], axis=1)).astype(np.int_)
    return np.clip(path, 0, [clip.height - size, max(0, clip.width - size)])

"""The picture of a clip: a cluttered background under a drifting camera, with moving sprites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Event, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.synthetic.rendered.sprites import draw_sprite

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

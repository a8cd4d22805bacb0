"""From the channels of a sound to one: their mean, or what is left where that cancels."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import av
import numpy as np
from av.audio.plane import AudioPlane
from numpy.typing import NDArray

from mmpyramid.core import Array

CANCELLED = 0.03
"""Of the energy that a mean of unrelated channels would have: below that, they cancel (15 dB)."""

CLEARLY_LOUDER = 2.0
"""Times the energy of the channel taken so far that another one needs to be taken instead."""

MEMORY = 0.95
"""Weight of the past at each block, of some hundredths of a second, in what is compared."""


SAMPLE_KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
"""FFmpeg's names of samples, but for the `p` of those that are stored channel by channel."""


class Downmix(StrEnum):
    """How channels become one; no rule needs a layout with names, as that of swresample does."""

    AUDIBLE = "audible"
    """Their mean, or the loudest channel while the mean cancels, as in opposite phase."""
    MEAN = "mean"
    """Their mean, whatever comes of it: the rule of VGGish, by which features were published."""


class Mixer:
    """Mixes the channels of one track, block by block.

    Args:
        rule: how.

    Attributes:
        num_cancelled: samples for which a channel was taken instead of the mean.
    """

    def __init__(self, rule: Downmix) -> None:
        self.num_cancelled = 0
        self._rule = rule
        self._mixed = 0.0
        self._channel = 0
        self._energies: Array = np.zeros(0, np.float32)

    def __call__(self, channels: Array) -> Array:
        """Mix a block.

        Args:
            channels: (channels, samples) in -1..1.

        Returns:
            (samples,) float32.
        """
        mono: Array = channels.mean(axis=0, dtype=np.float64).astype(np.float32)
        if self._rule == Downmix.MEAN or len(channels) == 1:
            return mono
        if len(channels) != len(self._energies):
            self._mixed, self._channel = 0.0, 0
            self._energies = np.zeros(len(channels), np.float32)
        self._mixed = MEMORY * self._mixed + float(np.vdot(mono, mono))
        self._energies = MEMORY * self._energies + np.einsum("cs,cs->c", channels, channels)
        unrelated = self._energies.sum() / len(channels) ** 2
        if not self._mixed < CANCELLED * unrelated:
            return mono
        self.num_cancelled += len(mono)
        # Changing between channels in opposite phase, equally loud, would click.
        if self._energies.max() > CLEARLY_LOUDER * self._energies[self._channel]:
            self._channel = int(self._energies.argmax())
        chosen: Array = channels[self._channel]
        return chosen


def to_channels(frame: av.AudioFrame) -> Array:
    """The samples of a frame.

    Returns:
        (channels, samples) float32 in -1..1.
    """
    num_channels = frame.layout.nb_channels
    stored = _stored(frame)
    if not frame.format.is_planar:
        stored = stored.reshape(-1, num_channels).T
    if stored.dtype == np.uint8:
        return ((stored.astype(np.float32) - 128) / 128).astype(np.float32)
    if stored.dtype.kind == "i":
        scale = -float(np.iinfo(stored.dtype).min)
        return (stored / scale).astype(np.float32)
    return np.ascontiguousarray(stored, np.float32)


def _stored(frame: av.AudioFrame) -> NDArray[Any]:
    """The samples as they are stored: (channels, samples) if planar, else (1, channels * samples).

    PyAV's own array has no samples of 64 bits, and from eight planes on memory that is not theirs.
    """
    kind = SAMPLE_KINDS[frame.format.name.removesuffix("p")]
    num_channels = frame.layout.nb_channels
    num_planes = num_channels if frame.format.is_planar else 1
    size = frame.samples * num_channels // num_planes
    planes = [memoryview(AudioPlane(frame, number)) for number in range(num_planes)]
    return np.stack([np.frombuffer(plane, kind)[:size] for plane in planes])

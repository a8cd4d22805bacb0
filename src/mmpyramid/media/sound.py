"""The sound track: one unbroken mono waveform at 16 kHz, whatever the file stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.media.container import SAMPLE_RATE, best_audio
from mmpyramid.media.decoder import Decoder, Timed

MAX_GAP = Fraction(1, 10)
"""Seconds. Where timestamps leave a longer hole, silence fills it; FFmpeg's `aresample` does so."""

MIN_RATE, MAX_RATE = 40, 2**20
"""Samples per second. Below 40 nothing is left that can be heard, and a small file lasts for weeks;
a header that claims more than 2^20 is damaged, and filters for it take gigabytes."""


class SoundTrack:
    """Reads the sound from front to back, second by second.

    Args:
        container: opened for this track alone, and owned by the caller.

    Attributes:
        start: when the sound begins, seconds on the file's clock; None if nothing decodes.
        end: when the sound decoded so far ends.
    """

    def __init__(self, container: InputContainer) -> None:
        stream = best_audio(container)
        assert stream is not None, "the reader opens a sound track only where `probe` saw one"
        self._path = container.name
        self._decoder: Decoder[av.AudioFrame] = Decoder(container, stream, "sound")
        frames = iter(self._decoder)
        first = next(frames, None)
        self.start = first.start if first else None
        self.end = first.start if first else Fraction(0)
        self._blocks = _resample(self._unbroken(chain([first], frames) if first else ()))
        self._zero = Fraction(0)
        self._rest: Array = np.zeros(0, np.float32)

    def begin(self, zero: Fraction) -> None:
        """Set the point of the file's clock at which the first segment begins."""
        self._zero = zero
        if self.start is not None:
            self._blocks = chain(_silence(round((self.start - zero) * SAMPLE_RATE)), self._blocks)

    def next_segment(self) -> Array | None:
        """The next second, zero-padded past the end.

        Returns:
            (16000,) float32 in -1..1 at 16 kHz, or None if no sound of the file decodes.
        """
        if self.start is None:
            return None
        pieces, num_samples = [self._rest], len(self._rest)
        while num_samples < SAMPLE_RATE and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            num_samples += len(block)
        samples = np.concatenate(pieces)
        self._rest = samples[SAMPLE_RATE:].copy()
        padding = max(0, SAMPLE_RATE - num_samples)
        return np.clip(np.pad(samples[:SAMPLE_RATE], (0, padding)), -1, 1)

    def notes(self) -> tuple[str, ...]:
        """What is wrong with the track."""
        return self._decoder.notes(self._zero)

    def _unbroken(self, frames: Iterable[Timed[av.AudioFrame]]) -> Iterator[tuple[int, Array]]:
        """Blocks of (sample rate, mono samples) that follow one another without a hole."""
        for timed in frames:
            rate = timed.frame.sample_rate
            if not MIN_RATE <= rate <= MAX_RATE:
                raise UserError(
                    f"expected {MIN_RATE} to {MAX_RATE} samples of sound per second, but "
                    f"{self._path} claims {rate}; its header is damaged, fetch or record it again"
                )
            gap = timed.start - self.end
            if gap > MAX_GAP:
                for block in _silence(round(gap * rate)):
                    self.end += Fraction(len(block), rate)
                    yield rate, block
            self.end += Fraction(timed.frame.samples, rate)
            mono = to_mono(timed.frame)
            if not np.isfinite(mono).all():
                self._decoder.remember("some samples are not numbers and count as silence")
                mono = np.nan_to_num(mono, posinf=0, neginf=0)
            yield rate, mono


def to_mono(frame: av.AudioFrame) -> Array:
    """The plain mean of all channels, in -1..1: VGGish's rule, which needs no named layout.

    Swresample would weight the center of 5.1 sound, and refuses channels without a name.

    Returns:
        (samples,) float32 at the frame's own rate.
    """
    num_channels = len(frame.layout.channels)
    stored: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        stored = stored.reshape(-1, num_channels).T
    mono: NDArray[np.float64] = stored.mean(axis=0, dtype=np.float64)
    if stored.dtype == np.uint8:
        mono = (mono - 128) / 128
    elif stored.dtype.kind == "i":
        mono /= -float(np.iinfo(stored.dtype).min)
    return mono.astype(np.float32)


def _resample(blocks: Iterable[tuple[int, Array]]) -> Iterator[Array]:
    """Bring blocks to 16 kHz; the rate may change on the way."""
    for rate, group in groupby(blocks, key=itemgetter(0)):
        samples = (block for _, block in group)
        yield from samples if rate == SAMPLE_RATE else _resample_from(rate, samples)


def _resample_from(rate: int, blocks: Iterable[Array]) -> Iterator[Array]:
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
    yield from (out.to_ndarray()[0] for out in resampler.resample(None))


def _silence(num_samples: int) -> Iterator[Array]:
    """Zeros in short blocks, so that hours of silence take no memory."""
    for begin in range(0, num_samples, SAMPLE_RATE):
        yield np.zeros(min(SAMPLE_RATE, num_samples - begin), np.float32)

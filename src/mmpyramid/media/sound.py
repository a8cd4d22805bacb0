"""The sound track: one unbroken mono waveform at one rate, whatever the file stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby
from operator import itemgetter
from typing import TypeAlias

import av
import numpy as np

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.media.decoder import Decoder, Timed
from mmpyramid.media.downmix import Downmix, Mixer, to_channels
from mmpyramid.media.streams import AnyStream

SAMPLE_RATE = 16_000
"""Samples per second of a waveform, unless a backbone was trained on another rate."""

MAX_DRIFT = Fraction(1, 10)
"""Seconds by which samples and time stamps may differ, as in FFmpeg's `aresample=async=1`.

Where time stamps leave a longer hole, silence fills it; what is ahead of them by more is cut."""

MIN_RATE, MAX_RATE = 40, 2**20
"""Samples per second. Below 40 nothing is left that can be heard, and a small file lasts for weeks;
a header that claims more than 2^20 is damaged, and filters for it take gigabytes."""


@dataclass(frozen=True)
class Sound:
    """Which sound is read of each second.

    Attributes:
        rate: samples per second.

    Example:
        >>> Sound(rate=48_000).rate
        48000
    """

    rate: int = SAMPLE_RATE


class SoundTrack:
    """Reads a sound track from front to back, second by second.

    Args:
        stream: the track, of a container that is opened for it alone and owned by the caller.
        downmix: how its channels become one.
        others: the other streams that are chosen; see `Clock`.
        decoder: what gives its frames, if not a decoder of its own.
        rate: samples per second of what is given.

    Attributes:
        start: when the sound begins, seconds of the time line; None if nothing decodes.
        end: when the sound decoded so far ends.
    """

    def __init__(
        self,
        stream: av.AudioStream,
        downmix: Downmix,
        others: Sequence[AnyStream] = (),
        decoder: Decoder[av.AudioFrame] | None = None,
        rate: int = SAMPLE_RATE,
    ) -> None:
        self._rate = rate
        self._path = stream.container.name
        self._decoder: Decoder[av.AudioFrame] = decoder or Decoder(stream, "sound", others)
        self._mix = Mixer(downmix)
        self._filled = self._cut = Fraction(0)
        self._first_filled = self._first_cut = Fraction(0)
        frames = iter(self._decoder)
        first = next(frames, None)
        self.start = first.start if first else None
        self.end = first.start if first else Fraction(0)
        self._blocks = _resample(self._unbroken(chain([first], frames) if first else ()), rate)
        self._zero = Fraction(0)
        self._rest: Array = np.zeros(0, np.float32)

    def begin(self, zero: Fraction) -> None:
        """Set the point of the time line at which the first segment begins."""
        self._zero = zero
        if self.start is not None:
            self._blocks = chain(_silence(round((self.start - zero) * self._rate)), self._blocks)

    def next_segment(self) -> Array | None:
        """The next second, zero-padded past the end.

        Returns:
            (rate,) float32 in -1..1, or None if no sound of the file decodes.
        """
        if self.start is None:
            return None
        pieces, num_samples = [self._rest], len(self._rest)
        while num_samples < self._rate and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            num_samples += len(block)
        samples = np.concatenate(pieces)
        self._rest = samples[self._rate :].copy()
        padding = max(0, self._rate - num_samples)
        return np.clip(np.pad(samples[: self._rate], (0, padding)), -1, 1)

    def notes(self) -> tuple[str, ...]:
        """What is wrong with the track, and where the file's clock jumps."""
        notes = self._decoder.notes(self._zero)
        if self._filled:
            notes += (
                f"time stamps leave holes of {float(self._filled):.1f} s in the sound, the first "
                f"at {float(self._first_filled - self._zero):.1f} s; silence fills them",
            )
        if self._cut:
            notes += (
                f"the sound runs ahead of its time stamps; {float(self._cut):.1f} s of it are left "
                f"out, from {float(self._first_cut - self._zero):.1f} s on",
            )
        if self._mix.num_cancelled:
            notes += (
                "the channels of the sound cancel each other; where they do, one of them was taken",
            )
        return notes

    def _unbroken(self, frames: Iterable[Timed[av.AudioFrame]]) -> Iterator[tuple[int, Array]]:
        """Blocks of (sample rate, mono samples) that follow one another as time stamps say."""
        is_cutting = False
        for timed in frames:
            rate = timed.frame.sample_rate
            if not MIN_RATE <= rate <= MAX_RATE:
                raise UserError(
                    f"expected {MIN_RATE} to {MAX_RATE} samples of sound per second, but "
                    f"{self._path} claims {rate}; its header is damaged, fetch or record it again"
                )
            hole = timed.start - self.end
            if hole > MAX_DRIFT:
                self._first_filled = self._first_filled if self._filled else self.end
                self._filled += hole
                for block in _silence(round(hole * rate)):
                    self.end += Fraction(len(block), rate)
                    yield rate, block
            channels = to_channels(timed.frame)
            if not np.isfinite(channels).all():
                self._decoder.remember("some samples are not numbers and count as silence")
                channels = np.nan_to_num(channels, posinf=0, neginf=0)
            mono = self._mix(channels)
            surplus = -hole
            if surplus > (0 if is_cutting else MAX_DRIFT):
                self._first_cut = self._first_cut if self._cut else self.end
                num_samples = min(round(surplus * rate), len(mono))
                self._cut += Fraction(num_samples, rate)
                is_cutting = num_samples == len(mono)
                mono = mono[num_samples:]
            else:
                is_cutting = False
            self.end += Fraction(len(mono), rate)
            if len(mono):  # What resamples takes no empty block, as the end of ADX and a cut give.
                yield rate, mono


class MixedSound:
    """Several sound tracks of a file that are heard at once, as their mean.

    Args:
        tracks: the tracks, each of a container of its own.

    Attributes:
        start: when the first of them begins, seconds of the time line; None if nothing decodes.
    """

    def __init__(self, tracks: Sequence[SoundTrack]) -> None:
        self._tracks = [track for track in tracks if track.start is not None]
        self._all = tracks
        self.start = min((t.start for t in self._tracks if t.start is not None), default=None)

    @property
    def end(self) -> Fraction:
        """When the sound decoded so far ends."""
        return max((track.end for track in self._tracks), default=Fraction(0))

    def begin(self, zero: Fraction) -> None:
        """Set the point of the time line at which the first segment begins."""
        for track in self._all:
            track.begin(zero)

    def next_segment(self) -> Array | None:
        """The next second of all tracks, as `SoundTrack.next_segment`."""
        waveforms = [track.next_segment() for track in self._tracks]
        heard = [waveform for waveform in waveforms if waveform is not None]
        return np.mean(heard, axis=0, dtype=np.float32) if heard else None

    def notes(self) -> tuple[str, ...]:
        """What is wrong with the tracks."""
        return tuple(note for track in self._all for note in track.notes())


AnySound: TypeAlias = SoundTrack | MixedSound


def _resample(blocks: Iterable[tuple[int, Array]], new_rate: int) -> Iterator[Array]:
    """Bring blocks to one rate; theirs may change on the way."""
    for rate, group in groupby(blocks, key=itemgetter(0)):
        samples = (block for _, block in group)
        yield from samples if rate == new_rate else _resample_from(rate, new_rate, samples)


def _resample_from(rate: int, new_rate: int, blocks: Iterable[Array]) -> Iterator[Array]:
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=new_rate)
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
    yield from (out.to_ndarray()[0] for out in resampler.resample(None))


def _silence(num_samples: int) -> Iterator[Array]:
    """Zeros in short blocks, so that hours of silence take no memory."""
    for begin in range(0, num_samples, SAMPLE_RATE):
        yield np.zeros(min(SAMPLE_RATE, num_samples - begin), np.float32)

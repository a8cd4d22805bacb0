"""Decoding one stream: frames in order with exact times, whatever state the file is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar, cast

import av
from av.container import InputContainer

from mmpyramid.media.container import HEADERLESS

MAX_JUMP = 60
"""Seconds. A gap this long that also leads this far past the header's end is a broken timestamp."""

MAX_STEP_BACK = 1
"""Seconds. A shorter step back is a wrong timestamp of a frame that decoders still give in order.

AVI files store no time of display, so that FFmpeg's guess is shuffled where there are B-frames.
"""

ROUNDING = Fraction(1, 1000)
"""Seconds. The precision with which headers give the end of a file."""

FrameT = TypeVar("FrameT", av.VideoFrame, av.AudioFrame)


@dataclass(frozen=True, slots=True)
class Timed(Generic[FrameT]):
    """A decoded frame, and when it begins and ends in seconds on the file's own clock.

    A picture that has a successor ends where that begins; `end` is meant for the last one.
    """

    frame: FrameT
    start: Fraction
    end: Fraction


class Decoder(Generic[FrameT]):
    """Iterates the frames of one stream once, skipping and remembering what cannot be decoded.

    Packets that FFmpeg refuses are left out and the next ones tried, as players do: one bad byte
    in the middle of an hour costs some frames, not the rest of the hour.

    Args:
        container: opened for this stream alone, so that nothing of another stream is buffered.
        stream: the stream to decode.
        name: what notes call it, "picture" or "sound".
    """

    def __init__(
        self, container: InputContainer, stream: av.VideoStream | av.AudioStream, name: str
    ) -> None:
        self._container = container
        self._stream = stream
        self._name = name
        self._time_base = _fraction(stream.time_base)
        self._last_second = _header_end(container)
        self._end = Fraction(0)
        self._damage: dict[str, Fraction] = {}

    def __iter__(self) -> Iterator[Timed[FrameT]]:
        previous: Timed[FrameT] | None = None
        for frame in self._decoded():
            timed = self._timed(frame)
            if previous is None:
                self._end = timed.end
            elif timed.start < previous.start - MAX_STEP_BACK:
                self.remember("its timestamps run backwards")
                continue
            elif timed.start < previous.start:
                timed = Timed(frame, previous.end, previous.end + timed.end - timed.start)
            elif self._is_broken_jump(timed.start):
                self.remember("its timestamps jump beyond the end")
                continue
            self._end = max(self._end, timed.end)
            previous = timed
            yield timed

    def remember(self, reason: str) -> None:
        """Note damage at the second reached so far."""
        self._damage.setdefault(reason, self._end)

    def notes(self, zero: Fraction) -> tuple[str, ...]:
        """Tell what was wrong, with seconds counted from `zero`."""
        notes = []
        if self._damage:
            since = max(0.0, float(min(self._damage.values()) - zero))
            notes.append(
                f"the {self._name} is damaged after {since:.1f} s ({', '.join(self._damage)}); "
                "what could be decoded is kept"
            )
        declared = self._declared_end
        if declared is not None and declared - self._end > 1:
            notes.append(
                f"the header promises {float(declared - zero):.1f} s of {self._name}, but only "
                f"{float(self._end - zero):.1f} s are there; the file may be cut off"
            )
        return tuple(notes)

    @property
    def _declared_end(self) -> Fraction | None:
        """Where the header says that the stream ends, unless FFmpeg only guessed it."""
        if self._stream.duration is None or self._container.format.name in HEADERLESS:
            return None
        return ((self._stream.start_time or 0) + self._stream.duration) * self._time_base

    def _decoded(self) -> Iterator[FrameT]:
        for packet in self._packets():
            try:
                frames = cast("list[FrameT]", self._stream.decode(packet))
            except av.FFmpegError as error:
                self.remember(str(error.strerror))
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.remember("parts of it are garbled")
                yield frame

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        """Every packet and then a flush, which `demux` gives unless the container breaks off."""
        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError as error:
            self.remember(str(error.strerror))
            yield None

    def _timed(self, frame: FrameT) -> Timed[FrameT]:
        start = self._end if frame.pts is None else frame.pts * self._time_base
        if isinstance(frame, av.AudioFrame):
            return Timed(frame, start, start + Fraction(frame.samples, frame.sample_rate))
        return Timed(frame, start, start + self._length(frame, start))

    def _length(self, picture: av.VideoFrame, start: Fraction) -> Fraction:
        """How long a picture shows if it is the last one.

        MP4 stores the steps in the order of decoding, so that where there are B-frames a picture
        may claim a pause that is not its own. The header knows better where the file ends.
        """
        rate = _fraction(self._stream.average_rate)
        usual = 1 / rate if rate else rate
        claimed = picture.duration * self._time_base or usual
        left = self._last_second - start
        if not self._last_second or claimed <= left + ROUNDING:
            return claimed
        return left if left > 0 else min(claimed, usual or claimed)

    def _is_broken_jump(self, start: Fraction) -> bool:
        return bool(self._last_second) and start > max(self._end, self._last_second) + MAX_JUMP


def _header_end(container: InputContainer) -> Fraction:
    """Where the header says that the file ends, in seconds on its clock; 0 if it does not say."""
    if not container.duration:
        return Fraction(0)
    return Fraction((container.start_time or 0) + container.duration, av.time_base)


def _fraction(ratio: Fraction | None) -> Fraction:
    """Exact, whether PyAV gives its own rational (19 and later), a `Fraction` or None."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else Fraction(0)

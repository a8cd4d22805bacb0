"""Decoding one stream: frames in order with exact times, whatever state the file is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar, cast

import av
from av.container import InputContainer

from mmpyramid.media.clock import MAX_PAUSE, MAX_STEP_BACK, Clock, header_end, to_fraction
from mmpyramid.media.container import HEADERLESS, length_is_guessed
from mmpyramid.media.streams import AnyStream

TAGS = (b"ID3", b"TAG", b"APETAGEX")
"""What text and pictures begin with that stand between MP3 files which were joined."""

ROUNDING = Fraction(1, 1000)
"""Seconds. The precision with which headers give the end of a file."""

UNTOLD = Fraction(1, 25)
"""Seconds of a picture of which neither stream nor header tells a length."""

FrameT = TypeVar("FrameT", av.VideoFrame, av.AudioFrame)


@dataclass(frozen=True, slots=True)
class Timed(Generic[FrameT]):
    """A decoded frame, and when it begins and ends in seconds of the file's time line.

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
        stream: the stream to decode, of a container that is opened for it alone, so that nothing
            of another stream is buffered.
        name: what notes call it, "picture" or "sound".
        others: the other streams that are chosen; see `Clock`.
        codec: what decodes the packets, if not what the stream comes with.
    """

    def __init__(
        self,
        stream: AnyStream,
        name: str,
        others: Sequence[AnyStream] = (),
        codec: av.VideoCodecContext | None = None,
    ) -> None:
        container = cast("InputContainer", stream.container)
        self._container = container
        self._stream = stream
        self._codec = codec or stream
        self._streams = (stream, *others)
        self._name = name
        self._time_base = to_fraction(stream.time_base)
        self._last_second = header_end(container)
        self.clock = Clock(container, self._streams)
        self._end = Fraction(0)
        self._damage: dict[str, Fraction] = {}

    def __iter__(self) -> Iterator[Timed[FrameT]]:
        previous: Timed[FrameT] | None = None
        stamp = Fraction(0)
        # Pictures may share a time, of which the last is shown; samples follow one another.
        is_sound = isinstance(self._stream, av.AudioStream)
        for frame in self._decoded():
            timed = self._timed(frame)
            start = timed.start
            if previous is None:
                self._end = timed.end
            elif start < stamp - MAX_STEP_BACK:
                self.remember("its timestamps run backwards")
                continue
            elif start < previous.start or (is_sound and start == previous.start):
                timed = Timed(frame, previous.end, previous.end + timed.end - start)
            elif self._is_broken_jump(start):
                self.remember("its timestamps jump beyond the end")
                continue
            self._end = max(self._end, timed.end)
            previous, stamp = timed, start
            yield timed

    def remember(self, reason: str) -> None:
        """Note damage at the second reached so far."""
        self._damage.setdefault(reason, self._end)

    def notes(self, zero: Fraction) -> tuple[str, ...]:
        """Tell what was wrong, with seconds counted from `zero`."""
        notes = list(self.clock.notes(zero))
        if self._damage:
            since = max(0.0, float(min(self._damage.values()) - zero))
            notes.append(
                f"the {self._name} is damaged after {since:.1f} s ({', '.join(self._damage)}); "
                "what could be decoded is kept"
            )
        declared = self._declared_end
        if declared is not None and not self.clock.jumps and declared - self._end > 1:
            notes.append(
                f"the header promises {float(declared - zero):.1f} s of {self._name}, but only "
                f"{float(self._end - zero):.1f} s are there; the file may be cut off"
            )
        return tuple(notes)

    @property
    def _declared_end(self) -> Fraction | None:
        """Where the header says that the stream ends, unless FFmpeg only guessed it."""
        if self._stream.duration is None or length_is_guessed(self._container):
            return None
        return ((self._stream.start_time or 0) + self._stream.duration) * self._time_base

    def _decoded(self) -> Iterator[FrameT]:
        is_tag = False
        for packet in self._packets():
            if packet is not None:
                self.clock.place(packet)
                # Theora repeats a picture by a packet without content; that at the end flushes.
                is_empty = not packet.size and packet.pts is not None
                if packet.stream is not self._stream or is_empty:
                    continue
            try:
                frames = cast("list[FrameT]", self._codec.decode(packet))
            except av.FFmpegError as error:
                is_tag = is_tag or self._is_tag(packet)
                if not is_tag:
                    self.remember(str(error.strerror))
                continue
            is_tag = is_tag and not frames
            for frame in frames:
                if frame.is_corrupt:
                    self.remember("parts of it are garbled")
                yield frame

    def _is_tag(self, packet: av.Packet[Any] | None) -> bool:
        """Whether a packet that is no sound is none for a good reason."""
        if packet is None or self._container.format.name not in HEADERLESS:
            return False
        return any(tag in bytes(packet) for tag in TAGS)

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        """Every packet and then a flush, which `demux` gives unless the container breaks off."""
        try:
            yield from self._container.demux(*self._streams)
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
        rate = to_fraction(self._stream.average_rate)
        usual = 1 / rate if rate else UNTOLD
        claimed = min(picture.duration * self._time_base, Fraction(MAX_PAUSE)) or usual
        left = self._last_second - start
        if not self._last_second or self.clock.jumps or claimed <= left + ROUNDING:
            return claimed
        return left if left > 0 else min(claimed, usual)

    def _is_broken_jump(self, start: Fraction) -> bool:
        """Whether a time of display is not where the packets are that have been read."""
        return start > self._end + MAX_PAUSE and start > self.clock.end + MAX_PAUSE

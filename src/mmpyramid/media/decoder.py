"""Decoding one stream: frames in order with exact times, whatever state the file is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar, cast

import av
from av.container import InputContainer

from mmpyramid.media.clock import (
    HEADERLESS,
    MAX_PAUSE,
    MAX_STEP_BACK,
    Clock,
    declared_end,
    header_end,
    length_is_guessed,
    to_fraction,
)
from mmpyramid.media.joined import Reading
from mmpyramid.media.source import packets_of
from mmpyramid.media.streams import AnyStream

TAGS = (b"ID3", b"TAG", b"APETAGEX")
"""What text and pictures begin with that stand between MP3 files which were joined."""

COUNTED = (*HEADERLESS, "loas", "flac", "mpegts")
"""Formats of which FFmpeg computes time stamps of sound by the sample rate of the beginning."""

ENCRYPTED = "encrypted"
"""What a decoder would take for sound and picture is noise then."""

HEADER = b"OVP80"
"""What headers of VP8 begin with, which FFmpeg gives as pictures where Ogg files were joined."""

ROUNDING = Fraction(1, 1000)
"""Seconds. The precision with which headers give the end of a file."""

UNTOLD = Fraction(1, 25)
"""Seconds of a picture of which neither stream nor header tells a length."""

SEAM = 1
"""Seconds before the end in which errors belong to another file that begins there."""

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
        self._is_ogg = container.format.name == "ogg"
        self._time_base = to_fraction(stream.time_base)
        self._last_second = header_end(container)
        self.clock = Clock(container, self._streams)
        self._end = Fraction(0)
        self._has_frames = False
        self._late: Fraction | None = None
        self._rate = 0
        self._reading = Reading(stream, length_is_guessed(container))
        self._damage: dict[str, tuple[Fraction, int]] = {}

    def __iter__(self) -> Iterator[Timed[FrameT]]:
        previous: Timed[FrameT] | None = None
        stamp = Fraction(0)
        # Pictures may share a time, of which the last is shown; samples follow one another.
        is_sound = isinstance(self._stream, av.AudioStream)
        for frame in self._decoded():
            timed = self._timed(frame)
            start = timed.start
            if previous is None:
                self._end, self._has_frames = timed.end, True
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
        self._damage.setdefault(reason, (self._end, self._reading.num_read))

    def notes(self, zero: Fraction) -> tuple[str, ...]:
        """Tell what was wrong, with seconds counted from `zero`."""
        if ENCRYPTED in self._damage:
            begin = max(0.0, float(self._damage[ENCRYPTED][0] - zero))
            return (f"the {self._name} is encrypted from {begin:.1f} s on, which was not read",)
        if self._damage and not self._has_frames:
            return (f"nothing of the {self._name} could be decoded ({', '.join(self._damage)})",)
        following = self._reading.following(self._name, self._end - zero)
        # Where another file begins, FFmpeg may stumble before it stops.
        until = self._end - SEAM if following else self._end
        notes = list(self.clock.notes(zero, until))
        damage = {
            reason: second
            for reason, (second, byte) in self._damage.items()
            if second <= until and (not following or byte < self._reading.num_decoded)
        }
        declared = self._declared_end
        if declared is None or self.clock.jumps or following or declared - self._end <= 1:
            declared = None
        if damage:
            since = min(damage.values())
            at = f"{max(0.0, float(since - zero)):.1f} s ({', '.join(damage)})"
            if since < self._end - SEAM:
                notes.append(
                    f"the {self._name} is damaged after {at}; what could be decoded is kept"
                )
            elif declared is None:
                notes.append(f"the {self._name} breaks off at {at}; the file may be cut off")
        if following:
            notes.append(following)
        if declared is not None:
            notes.append(
                f"the header promises {float(declared - zero):.1f} s of {self._name}, but only "
                f"{max(0.0, float(self._end - zero)):.1f} s are there; the file may be cut off"
            )
        return tuple(notes)

    @property
    def _declared_end(self) -> Fraction | None:
        """Where the header says that the stream ends, unless FFmpeg only guessed it."""
        return None if length_is_guessed(self._container) else declared_end(self._stream)

    def _decoded(self) -> Iterator[FrameT]:
        is_tag = False
        for packet in self._packets():
            if packet is not None:
                self._reading.read(packet)
                # Theora repeats a picture by a packet without content; that at the end flushes.
                is_empty = not packet.size and packet.pts is not None
                if packet.stream is not self._stream or is_empty or self._is_header(packet):
                    continue
                self._reading.decode()
                if packet.has_sidedata("encryption_info"):
                    self.remember(ENCRYPTED)
                    continue
            try:
                frames = self._decode(packet)
            except (av.FFmpegError, ValueError) as error:
                is_tag = is_tag or self._is_tag(packet)
                if not is_tag:
                    # PyAV 19 has a plain `ValueError` for a codec that it does not know.
                    self.remember(str(getattr(error, "strerror", error)))
                    self._reading.fail(packet)
                continue
            is_tag = is_tag and not frames
            for frame in frames:
                self._reading.succeed()
                if frame.is_corrupt:
                    self.remember("parts of it are garbled")
                yield frame

    def _is_header(self, packet: av.Packet[Any]) -> bool:
        return self._is_ogg and bytes(memoryview(packet)[: len(HEADER)]) == HEADER

    def _decode(self, packet: av.Packet[Any] | None) -> list[FrameT]:
        return cast("list[FrameT]", self._codec.decode(packet))

    def _is_tag(self, packet: av.Packet[Any] | None) -> bool:
        """Whether a packet that is no sound is none for a good reason."""
        if packet is None or self._container.format.name not in HEADERLESS:
            return False
        return any(tag in bytes(packet) for tag in TAGS)

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        """Every packet in its place, then a flush, which `demux` gives unless it breaks off."""
        try:
            for packet in packets_of(self._container, *self._streams):
                if self._reading.is_beyond(packet):
                    break
                self.clock.place(packet)
                yield packet
            else:
                return
        except av.FFmpegError as error:
            self.remember(str(error.strerror))
        yield None

    def _timed(self, frame: FrameT) -> Timed[FrameT]:
        start = self._start(frame)
        if isinstance(frame, av.AudioFrame):
            return Timed(frame, start, start + Fraction(frame.samples, frame.sample_rate))
        return Timed(frame, start, start + self._length(frame, start))

    def _start(self, frame: FrameT) -> Fraction:
        """When a frame begins; FFmpeg computes the time stamps of raw sound, at times wrongly."""
        if frame.pts is None:
            return self._end
        stamp = frame.pts * self._time_base
        rate = frame.sample_rate if isinstance(frame, av.AudioFrame) else 0
        if self._late is None:
            # Of LATM it knows none for the first seconds, and then counts from zero.
            is_late = 0 <= stamp < self._end - MAX_STEP_BACK
            self._late, self._rate = (self._end - stamp if is_late else Fraction(0)), rate
        elif rate != self._rate and self._container.format.name in COUNTED:
            # It goes on with the sample rate of the beginning.
            self._late = self._end - stamp
        return stamp + self._late

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

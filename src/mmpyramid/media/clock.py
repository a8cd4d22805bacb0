"""One time line for all streams of a file whose own clocks may jump.

Recordings that were joined, cameras and broadcasts that were restarted, and recorders that
reconnected start their clocks anew in the middle of a file. What follows such a jump is placed
right after what came before, as the `ffmpeg` program plays it. A gap inside one recording, in
which its clock goes on, stays a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags

from mmpyramid.media.streams import AnyStream

LIVE_PAUSE = 10
"""Seconds. A longer step is a jump in formats whose clocks may be restarted; FFmpeg's own bound."""

LIVE_STEP_BACK = Fraction(1, 10)
"""Seconds. A longer step back is a jump in formats whose clocks may be restarted."""

MAX_PAUSE = 3600
"""Seconds. A longer step is a jump in every format; so long do nothing but time stamps count."""

MAX_STEP_BACK = 1
"""Seconds. A longer step back is a jump in every format; a shorter one is a wrong time stamp.

AVI files store no time of display, so that FFmpeg's guess is shuffled where there are B-frames.
"""

MAX_BEYOND = 60
"""Seconds. So far beyond the end that a header states, a step as long is a jump."""

STRAGGLE = 2
"""Seconds by which packets that belong together lie apart in a file, at most, as a rule."""

WRAP = Fraction(2**33, 90_000)
"""Seconds after which the clock of MPEG streams begins at zero again."""

NUM_REPORTED = 5
"""Jumps whose places a note tells."""

HEADERLESS = ("aac", "ac3", "adx", "amr", "dts", "eac3", "mp3")
"""Formats of sound whose length FFmpeg has to guess from the bit rate, as a rule."""

TAG_OF_LENGTH = re.compile(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)
"""Hours, minutes and seconds."""


def may_restart(container: InputContainer) -> bool:
    """Whether the format is one for broadcasts, whose clocks start anew, and jump, at will.

    The length of such a file is not written anywhere; FFmpeg guesses it from the last time stamp.
    """
    flags = Flags(int(container.format.flags))
    return Flags.ts_discont in flags or container.format.name == "flv"


def length_is_guessed(container: InputContainer) -> bool:
    """Whether the length that FFmpeg tells is a guess, and not what a header states."""
    return container.format.name in HEADERLESS or may_restart(container)


def header_end(container: InputContainer) -> Fraction:
    """Where the header says that the file ends, in seconds on its clock; 0 if it does not say."""
    if not container.duration:
        return Fraction(0)
    return Fraction((container.start_time or 0) + container.duration, av.time_base)


def declared_end(stream: AnyStream) -> Fraction | None:
    """Where the header says that a stream ends, in seconds on its clock; None if it does not.

    In Matroska a tag says so; FFmpeg may take the end of the file for that of a stream.
    """
    tag = TAG_OF_LENGTH.fullmatch(stream.metadata.get("DURATION", ""))
    if tag is not None and stream.container.format.name.startswith("matroska"):
        hours, minutes, seconds = map(Fraction, tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    if stream.duration is None:
        return None
    return ((stream.start_time or 0) + stream.duration) * to_fraction(stream.time_base)


def to_fraction(ratio: Fraction | None) -> Fraction:
    """Exact, whether PyAV gives its own rational (19 and later), a `Fraction` or None."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else Fraction(0)


@dataclass(eq=False, slots=True)
class _Epoch:
    """A time over which a clock runs evenly.

    Attributes:
        first: seconds on that clock at which it begins.
        last: seconds on that clock that have been reached.
        shift: seconds to add for the time line.
    """

    first: Fraction
    last: Fraction
    shift: Fraction

    @property
    def begin(self) -> Fraction:
        """Seconds of the time line."""
        return self.first + self.shift


@dataclass(eq=False, slots=True)
class _StreamClock:
    """Where a stream is, in ticks of its own.

    Attributes:
        last: the latest time stamp; None at first.
        due: when the next packet is due.
        delay: by how much packets come before they are shown.
        shift: to be added for the time line.
        before: where it was before its latest jump: `epoch`, `last` and `due`.
    """

    time_base: Fraction
    step_back: int
    straggle: int
    far: int
    epoch: _Epoch | None = None
    last: int | None = None
    due: int = 0
    delay: int = 0
    shift: int = 0
    before: tuple[_Epoch, int, int] | None = None

    def follows(self, stamp: int, last: int, due: int) -> bool:
        """Whether a packet may come right after another one."""
        return last - self.step_back <= stamp <= due + self.straggle


class Clock:
    """Moves the time stamps of packets to one time line, in the order in which they are read.

    It sees the packets of all chosen streams, so that each reader of a file finds the same jumps
    whatever it decodes, and a pause of one stream while another goes on is none.

    Args:
        container: just opened.
        streams: the streams that are chosen.

    Attributes:
        jumps: seconds of the time line at which the clock jumped.
    """

    def __init__(self, container: InputContainer, streams: Iterable[AnyStream]) -> None:
        self.jumps: list[Fraction] = []
        self._restarts = may_restart(container)
        self._counts = container.format.name == "mxf"
        self._wraps = container.format.name in {"mpegts", "mpeg"}
        self._step_back = LIVE_STEP_BACK if self._restarts else Fraction(MAX_STEP_BACK)
        self._header_end = Fraction(0) if self._restarts else header_end(container)
        self._streams = {stream.index: self._create(stream) for stream in streams}
        self._current: _Epoch | None = None

    @property
    def end(self) -> Fraction:
        """Seconds of the time line that packets have reached, once they are shown."""
        ends = [
            (stream.due + stream.delay) * stream.time_base + stream.epoch.shift
            for stream in self._streams.values()
            if stream.epoch is not None and stream.last is not None
        ]
        if self._current is not None:
            ends.append(self._current.last + self._current.shift)
        return max(ends, default=Fraction(0))

    def place(self, packet: av.Packet[Any]) -> None:
        """Move the time stamps of a packet to the time line."""
        stream = self._streams[packet.stream.index]
        stamp, shown = packet.dts, packet.pts
        if stamp is None or (shown is not None and shown > stamp + stream.far):
            # Where FFmpeg has to guess the order of decoding, its guess jumps some packets late.
            packet.dts = None
            self._place_by_display(packet, stream)
            return
        last = stream.last
        if self._counts and stamp == last:
            self._count_on(stream)
        elif last is None or not last - stream.step_back <= stamp <= stream.due + stream.straggle:
            if stream.before and stream.follows(stamp, *stream.before[1:]):
                self._move(stream, stream.before[0])  # What seemed a jump was one wrong stamp.
            else:
                self._enter(stream, stamp, stamp if shown is None else shown)
        stream.last = stamp
        stream.due = stamp + min(packet.duration or 0, stream.straggle)
        if stream.shift:
            packet.dts = stamp + stream.shift
            packet.pts = None if shown is None else shown + stream.shift

    def notes(self, zero: Fraction, until: Fraction) -> tuple[str, ...]:
        """Tell where the clock jumped up to a second, with seconds counted from `zero`."""
        jumps = [jump for jump in self.jumps if jump <= until]
        if not jumps:
            return ()
        times = [f"{max(0.0, float(jump - zero)):.1f} s" for jump in jumps[:NUM_REPORTED]]
        if len(jumps) > NUM_REPORTED:
            times.append(f"{len(jumps) - NUM_REPORTED} times later")
        return (
            f"the file's clock jumps at {', '.join(times)}, as where recordings were joined; what "
            "follows is placed right after what came before",
        )

    def _create(self, stream: AnyStream) -> _StreamClock:
        time_base = to_fraction(stream.time_base)
        return _StreamClock(
            time_base,
            int(self._step_back / time_base),
            int(STRAGGLE / time_base),
            int((LIVE_PAUSE if self._restarts else MAX_BEYOND) / time_base),
        )

    def _place_by_display(self, packet: av.Packet[Any], stream: _StreamClock) -> None:
        """Place a packet of which only the time of display is known, which is in no order."""
        if packet.pts is None:
            return
        second = packet.pts * stream.time_base
        epoch = stream.epoch
        if epoch is None or second > self._reached(epoch) + self._longest_pause(second):
            epoch = self._enter(stream, packet.pts, packet.pts)
        if second < epoch.first - MAX_STEP_BACK:
            packet.pts = None
            return
        epoch.last = max(epoch.last, second)
        packet.pts += stream.shift

    def _count_on(self, stream: _StreamClock) -> None:
        """Place a packet after the one before it, which has the same number.

        FFmpeg numbers the packets of MXF by the index of the first file, and gives all that follow
        its end, in files that were joined or are still being written, the last number of it.
        """
        if not self.jumps:
            self.jumps.append(self.end)
        stream.shift += stream.due - (stream.last or 0)

    def _enter(self, stream: _StreamClock, stamp: int, shown: int) -> _Epoch:
        """Find where a packet belongs that does not simply follow the one before it.

        Args:
            stream: its stream.
            stamp: its place in the order of decoding.
            shown: when it is shown.
        """
        second, epoch = stamp * stream.time_base, stream.epoch
        pause, end = self._longest_pause(second), self.end
        stream.delay = max(0, shown - stamp)
        current = self._current
        if current is None:
            return self._move(stream, _Epoch(second, second, Fraction(0)))
        is_new = epoch is not current
        knows_no_order = is_new or stream.last is None
        if knows_no_order and current.first - pause <= second <= self._reached(current) + pause:
            return self._move(stream, current)
        if epoch is not None and stream.last is not None:
            last = stream.last * stream.time_base
            if last - self._step_back <= second <= self._reached(epoch) + pause:
                return epoch
            if self._wraps and abs(second + WRAP - last) <= pause:
                return self._move(stream, _Epoch(second, second, epoch.shift + WRAP))
        # Another stream has jumped before: they begin together, as far as their order tells.
        begin = max(current.begin, end - STRAGGLE) if is_new else end
        if not self.jumps or begin > self.jumps[-1] + STRAGGLE:
            self.jumps.append(begin)
        return self._move(stream, _Epoch(second, second, begin - shown * stream.time_base))

    def _move(self, stream: _StreamClock, epoch: _Epoch) -> _Epoch:
        if stream.epoch is not None:
            stream.epoch.last = self._reached(stream.epoch)
            if stream.last is not None:
                stream.before = stream.epoch, stream.last, stream.due
        self._current = stream.epoch = epoch
        stream.last = None
        stream.shift = round(epoch.shift / stream.time_base)
        return epoch

    def _longest_pause(self, second: Fraction) -> int:
        """How long, before that second, nothing at all may come without this being a jump."""
        if self._restarts:
            return LIVE_PAUSE
        is_beyond = self._header_end and second > self._header_end + MAX_BEYOND
        return MAX_BEYOND if is_beyond else MAX_PAUSE

    def _reached(self, epoch: _Epoch) -> Fraction:
        """Seconds on the clock of an epoch that packets have reached."""
        inside = [s for s in self._streams.values() if s.epoch is epoch and s.last is not None]
        return max([epoch.last, *(stream.due * stream.time_base for stream in inside)])

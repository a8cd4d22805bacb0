"""A part of a file as a file of its own: copied where that is possible, else encoded anew."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, takewhile
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from mmpyramid.core.errors import UserError
from mmpyramid.media.clock import to_fraction
from mmpyramid.media.source import MediaFile, open_media, packets_of
from mmpyramid.media.streams import AnyStream, best_video, played_sound

IN_MP4 = frozenset(("h264", "hevc", "av1", "mpeg4", "aac", "mp3", "ac3", "eac3", "alac"))
"""Codecs that players expect in MP4; what has others is cut into Matroska."""

RATES = frozenset(av.Codec("aac", "w").audio_rates or ())
"""Samples of sound per second that AAC can have."""

APART = 10
"""Seconds that sound and picture of one moment lie apart in a file at most."""

SUFFIXES = (".mp4", ".m4a", ".mkv", ".mka")
"""Of MP4 and Matroska, with and without picture."""


class Target:
    """A file that is open for writing, as FFmpeg writes it."""

    def __init__(self, descriptor: int) -> None:
        self.name = "cut"
        self._descriptor = descriptor

    def write(self, content: bytes) -> int:
        """Write all bytes at the position."""
        left = memoryview(content)
        while left:
            left = left[os.write(self._descriptor, left) :]
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, which is returned."""
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """The position."""
        return self.seek(0, os.SEEK_CUR)


def cut(
    source: MediaFile, descriptor: int, start: float, end: float, *, copies: bool = True
) -> tuple[str, float]:
    """Write the part of a file from one second to another.

    Args:
        source: the file; seconds count from its earliest time stamp.
        descriptor: of an empty file that is open for reading and writing.
        start: in seconds.
        end: in seconds.
        copies: copy packets, from the key frame at or before the start; else encode the part anew,
            as H.264 and AAC.

    Returns:
        The suffix that fits, and the second at which the part begins.

    Raises:
        UserError: if the file cannot be opened, or has nothing there.
        av.FFmpegError: if it cannot be read or written so.
    """
    with open_media(source) as container:
        streams = _chosen(container)
        codecs = {stream.codec_context.codec.canonical_name for stream in streams}
        is_mp4 = not copies or codecs <= IN_MP4
        has_picture = any(isinstance(stream, av.VideoStream) for stream in streams)
        suffix = SUFFIXES[2 * (not is_mp4) + (not has_picture)]
        target: Any = Target(descriptor)
        write = _copy if copies else _encode
        with av.open(target, "w", format="mp4" if is_mp4 else "matroska") as out:
            begin = write(container, out, streams, start, end)
    if begin is None:
        raise UserError(
            f"expected sound or picture from {start:g} s to {end:g} s of {source.path}, got none "
            "there"
        )
    return suffix, begin


def _chosen(container: InputContainer) -> list[AnyStream]:
    picture = best_video(container)
    sound = played_sound(container, picture)
    return [stream for stream in (picture, sound) if stream is not None]


def _zero(container: InputContainer) -> Fraction:
    return Fraction(container.start_time or 0, av.time_base)


def _seek(container: InputContainer, streams: Sequence[AnyStream], start: Fraction) -> None:
    first = streams[0]
    container.seek(int(start / to_fraction(first.time_base)), stream=first)


def _copy(
    container: InputContainer,
    out: OutputContainer,
    streams: Sequence[AnyStream],
    start: float,
    end: float,
) -> float | None:
    """Copy packets, from the key frame of the first stream on; their times begin at zero."""
    zero = _zero(container)
    since, until = zero + Fraction(start), zero + Fraction(end)
    copied = {stream.index: out.add_stream_from_template(stream) for stream in streams}
    _seek(container, streams, since)
    begin: Fraction | None = None
    reached = since
    over: set[int] = set()
    waiting: list[av.Packet[Any]] = []
    for packet in packets_of(container, *streams):
        if _is_after(packet, until + APART):
            break
        if packet.dts is None:
            continue
        base = to_fraction(packet.time_base)
        at = (packet.dts if packet.pts is None else packet.pts) * base
        if packet.dts * base >= until:
            over.add(packet.stream_index)
            if len(over) == len(streams):
                break
            continue
        if begin is None:
            if packet.stream_index != streams[0].index:
                waiting.append(packet)
                continue
            begin = at
        reached = max(reached, at + (packet.duration or 0) * base)
        for each in (*waiting, packet):
            _mux(out, each, copied, begin)
        waiting = []
    return None if begin is None or reached == since else float(begin - zero)


def _mux(
    out: OutputContainer, packet: av.Packet[Any], copied: dict[int, Any], begin: Fraction
) -> None:
    base = to_fraction(packet.time_base)
    shift = round(begin / base)
    at = packet.dts if packet.pts is None else packet.pts
    if at is None or (at < shift and not packet.is_keyframe) or packet.dts is None:
        return
    if at + (packet.duration or 0) <= shift:
        return
    packet.dts, packet.pts = packet.dts - shift, at - shift
    packet.stream = copied[packet.stream_index]
    out.mux(packet)


def _encode(
    container: InputContainer,
    out: OutputContainer,
    streams: Sequence[AnyStream],
    start: float,
    end: float,
) -> float | None:
    """Encode the frames within; the first of each stream begins at zero."""
    zero = _zero(container)
    since, until = zero + Fraction(start), zero + Fraction(end)
    made = {stream.index: _encoder(out, stream) for stream in streams}
    _seek(container, streams, since)
    over: set[int] = set()
    any_frame = False
    for index, frame in _frames(container, streams, until + APART):
        if frame.pts is None or frame.time_base is None:
            continue
        at = frame.pts * to_fraction(frame.time_base)
        if at >= until:
            over.add(index)
            if len(over) == len(streams):
                break
        elif at >= since:
            any_frame = True
            frame.pts = round((at - since) / to_fraction(frame.time_base))
            out.mux(made[index].encode(frame))
    for encoder in made.values():
        out.mux(encoder.encode(None))
    return start if any_frame else None


def _frames(
    container: InputContainer, streams: Sequence[AnyStream], stop: Fraction
) -> Iterator[tuple[int, av.VideoFrame | av.AudioFrame]]:
    """Decode up to a second; each frame comes with the index of its stream."""
    within = takewhile(lambda packet: not _is_after(packet, stop), packets_of(container, *streams))
    for packet in chain((packet for packet in within if packet.size), map(_last, streams)):
        for frame in packet.decode():
            assert isinstance(frame, av.VideoFrame | av.AudioFrame), "no captions are chosen"
            yield packet.stream_index, frame


def _last(stream: AnyStream) -> av.Packet[Any]:
    """A packet without content, after which a decoder gives the frames that it held back."""
    packet: av.Packet[Any] = av.Packet()
    packet.stream, packet.time_base = stream, to_fraction(stream.time_base)
    return packet


def _is_after(packet: av.Packet[Any], second: Fraction) -> bool:
    return packet.dts is not None and packet.dts * to_fraction(packet.time_base) > second


def _encoder(out: OutputContainer, stream: AnyStream) -> Any:
    if isinstance(stream, av.VideoStream):
        made: Any = out.add_stream("libx264", rate=stream.average_rate or 25)
        made.width, made.height = stream.width // 2 * 2, stream.height // 2 * 2
        made.pix_fmt = "yuv420p"
        if stream.sample_aspect_ratio:
            made.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio
        return made
    rate = stream.sample_rate if stream.sample_rate in RATES else 48000
    return out.add_stream("aac", rate=rate, layout="mono" if stream.channels == 1 else "stereo")

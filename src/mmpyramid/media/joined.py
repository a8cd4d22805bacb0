"""Files that `cat` joined into one: where another one begins, and what is in it.

Of most formats FFmpeg reads the first file only; of some it goes on, and takes what follows for
what it is not if that is in another codec. What was not read is told.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from typing import Any, cast

import av
from av.container import InputContainer

from mmpyramid.media.source import FileReader, open_rest, packets_of, reader_of
from mmpyramid.media.streams import AnyStream, can_be_decoded

MAX_SEARCHED = 2**24
"""Bytes after the last packet in which another file may begin: what is between is an index."""

IMPRECISION = 64
"""Bytes by which a packet may end before the place that FFmpeg tells."""

MAX_DELAY = 64
"""Packets of which a decoder has not given the frames yet."""

MIN_UNREAD = Fraction(1, 50)
"""Part of a file without an index from which on what is after the last packet may be a file."""

SWOLLEN = 2
"""Times the largest packet before it: a last one that is larger may hold another file."""

BOXES = (b"free", b"meta", b"mfra", b"moov", b"skip", b"udta", b"uuid", b"wide")
"""What may come after the last packet of MP4 and MOV."""

MAX_BOXES = 16
"""Of them."""

CHUNKS = (b"idx1", b"JUNK", b"LIST")
"""What may come after the last packet of AVI and WAV."""

MAX_PACKETS = 200
"""Packets of a file that follows in which something has to be decoded."""

BEGINNING = re.compile(
    rb"\0\0\0[\x08-\xfc]ftyp|FLV\x01[\0-\x05]\0\0\0\x09|RIFF.{4}(?:WAVEfmt |AVI LIST)"
    rb"|FORM.{4}AIF[FC]|caff\0\x01\0\0desc|riff\x2e\x91\xcf\x11|TTA1[\x01\x02]\0|OggS\0\x02"
    rb"|Creative Voice File\x1a|\x30\x26\xb2\x75\x8e\x66\xcf\x11|fLaC\0\0\0\x22"
    rb"|\xb7\xd8\0\x20\x37\x49\xda\x11|\x1a\x45\xdf\xa3.{5,40}(?:webm|matroska)"
    rb"|DKIF\0\0\x20\0|wvpk.{12}\0{4}|YUV4MPEG2 W\d|nut/multimedia container\0"
    rb"|\.RMF\0\0\0\x12\0[\0\x01]",
    re.DOTALL,
)
"""How a file begins in the formats of which FFmpeg, as a rule, reads the first of files that were
joined: MP4, FLV, WAV, AVI, AIFF, CAF, W64, TTA, Ogg, VOC, ASF, FLAC, WTV, Matroska, IVF, WavPack,
Y4M, NUT and RealMedia."""

BEGINNING_OF_SAME = {
    "adx": re.compile(rb"\x80\0..[\x02-\x04]\x12\x04[\x01-\x08].{4,2000}?\(c\)CRI", re.DOTALL),
    "apng": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "h264": re.compile(rb"\0\0\x01\x40\x01"),
    "hevc": re.compile(rb"\0\0\x01[\x27\x47\x67]"),
    "swf": re.compile(rb"[FC]WS[\x01-\x30]"),
}
"""What is too short, or is found in tags of other formats, and tells of a file after one of this
format only: its own, or H.264 and HEVC after each other."""

READ_ON = ("nut", "rm")
"""Formats of which FFmpeg takes the head of a file that follows for sound and picture, and loses
its place in what comes after."""


class Reading:
    """How many bytes of a file were read and decoded, and what comes after them.

    Args:
        stream: what is decoded, of a container that is opened for it alone.
        is_endless: whether the file states no length, so that no index comes after the last packet.

    Attributes:
        num_read: bytes up to the end of the last packet that was read.
        num_decoded: bytes up to the end of the last packet that gave frames.
    """

    def __init__(self, stream: AnyStream, is_endless: bool) -> None:
        self.num_read = self.num_decoded = 0
        self._container = cast("InputContainer", stream.container)
        self._is_endless = is_endless or not self._container.duration
        # A new program map in a broadcast changes what FFmpeg says of a stream.
        self._kind, self._codec = stream.type, str(stream.codec_context.codec.canonical_name)
        self._waiting: deque[int] = deque(maxlen=MAX_DELAY)
        self._seen: set[int] = set()
        self._largest = 0
        self._swollen: tuple[int, ...] = ()
        self._next_file: int | None = None
        self._failed_at: int | None = None

    def read(self, packet: av.Packet[Any]) -> None:
        """A packet of any stream has been read."""
        self._seen.add(packet.stream.index)
        if packet.size:
            # Whatever begins like no packet is taken for the rest of the last one.
            is_large = 0 < SWOLLEN * self._largest < packet.size
            is_swollen = is_large and packet.size > MIN_UNREAD * self._size
            begin = packet.pos or 0
            self._swollen = (begin + 1, begin + self._largest) if is_swollen else ()
            self._largest = max(self._largest, packet.size)
        if not packet.is_corrupt:  # What breaks off may be the head of another file.
            self.num_read = max(self.num_read, (packet.pos or 0) + packet.size)

    def decode(self) -> None:
        """The packet is given to the decoder."""
        self._waiting.append(self.num_read)

    def succeed(self) -> None:
        """The decoder has given a frame, of the packet that waited longest."""
        self._failed_at = None
        if self._waiting:
            self.num_decoded = self._waiting.popleft()

    def fail(self, packet: av.Packet[Any] | None) -> None:
        """The decoder has refused a packet."""
        if self._failed_at is None and packet is not None:
            self._failed_at = packet.pos

    def is_beyond(self, packet: av.Packet[Any]) -> bool:
        """Whether FFmpeg, where it would read on, has come to another file."""
        if self._container.format.name in READ_ON and packet.pos is not None:
            self._next_file = self._find_after(self.num_read, packet.pos + packet.size)
        return self._next_file is not None

    def following(self, name: str, end: Fraction) -> str:
        """Tell of a file that follows in the same one; empty if there is none.

        Args:
            name: what notes call the stream.
            end: seconds of it that were decoded.
        """
        # Where nothing was read, what begins there is this file.
        if not self.num_read:
            return ""
        begin = self._next_file or self._find_after(self.num_read)
        if begin is None and self._has_rest():
            if other := self._other_codec():
                return (
                    f"the {name} ends at {max(0.0, float(end)):.1f} s, where its codec changes "
                    f"from {self._codec} to {other}, as where recordings were joined; what follows "
                    "was not read; give each recording by itself, or convert them to one codec "
                    "before they are joined"
                )
            begin = self._find_after(self.num_decoded)
        if begin is None:
            begin = self._find_other_format()
        if begin is None:
            return ""
        size = self._size
        return (
            f"after {begin} of {size} bytes another file begins, as where files were joined; only "
            f"the first one is read, so {size - begin} bytes were not; give each file by itself, "
            "or join them with FFmpeg's `concat`"
        )

    def _has_rest(self) -> bool:
        """Whether sound or picture may come after all that was decoded."""
        if not self.num_decoded or self._failed_at is not None or self._swollen:
            return self.num_decoded > 0
        return self._is_endless and self._size - self.num_decoded >= MIN_UNREAD * self._size

    def _other_codec(self) -> str:
        """The codec of what comes after all that was decoded; empty if it is this one or none."""
        places = [self.num_decoded]
        if self._failed_at is not None:
            places = [self._find_after(self.num_decoded, self._failed_at) or self._failed_at]
        # The packet begins as one of this file, which is no larger than those before, as a rule.
        found = (
            codecs_after(self._container, place).get(self._kind)
            for place in (*places, *self._swollen)
        )
        return next((codec for codec in found if codec and codec != self._codec), "")

    def _find_other_format(self) -> int | None:
        """Where a file of another format begins, of which nothing was read."""
        reader = reader_of(self._container)
        if reader is None or len(self._seen) < len(self._container.streams):
            return None
        begin = _after_index(reader, self.num_read)
        is_short = self._size - begin <= MIN_UNREAD * self._size
        return None if is_short or not codecs_after(self._container, begin) else begin

    @property
    def _size(self) -> int:
        """Bytes of the file; a pipe has none."""
        return self._container.size or 0

    def _find_after(self, begin: int, end: int | None = None) -> int | None:
        return find_next_file(self._container, max(1, begin - IMPRECISION), end)


def _after_index(reader: FileReader, begin: int) -> int:
    """Where what belongs to the file ends after its last packet."""
    for _ in range(MAX_BOXES):
        head = reader.read_at(begin, 8)
        if head[4:] in BOXES:
            size = int.from_bytes(head[:4])
        elif head[:4] in CHUNKS:
            size = 8 + int.from_bytes(head[4:], "little")
        else:
            break
        begin += max(8, size + size % 2)
    return begin


def find_next_file(container: InputContainer, begin: int, end: int | None = None) -> int | None:
    """Where another file begins in the same one, as `cat a.mp4 b.mp4` makes it.

    Args:
        container: the file, from `open_media`.
        begin: the byte to search from; what is before it has been read.
        end: the byte to search to, `MAX_SEARCHED` later if left out.

    Returns:
        The number of its first byte, or None if there is none, or the file was opened by its name.
    """
    reader = reader_of(container)
    if reader is None:
        return None
    length = MAX_SEARCHED if end is None else min(end - begin, MAX_SEARCHED)
    content = reader.read_at(begin, max(0, length))
    patterns = (BEGINNING, BEGINNING_OF_SAME.get(container.format.name))
    found = [
        match.start() for pattern in patterns if pattern and (match := pattern.search(content))
    ]
    return begin + min(found) if found else None


def codecs_after(container: InputContainer, begin: int) -> dict[str, str]:
    """The codecs of what follows a byte of a file, read as a file of its own.

    Args:
        container: the file, from `open_media`.
        begin: the byte.

    Returns:
        For `video` and `audio`, FFmpeg's name of the codec, where some of it can be decoded.
    """
    rest = open_rest(container, begin)
    if rest is None:
        return {}
    found: dict[str, str] = {}
    with rest, suppress(av.FFmpegError):
        streams: list[AnyStream] = [*rest.streams.video, *rest.streams.audio]
        known = [stream for stream in streams if can_be_decoded(stream)]
        for packet in islice(packets_of(rest, *known), MAX_PACKETS) if known else ():
            kind = packet.stream.type
            if kind not in found and _is_decoded(packet):
                found[kind] = packet.stream.codec_context.codec.canonical_name
    return found


def _is_decoded(packet: av.Packet[Any]) -> bool:
    try:
        return bool(packet.decode())
    except av.FFmpegError:  # Before the first key frame.
        return False

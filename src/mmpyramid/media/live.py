"""Sound and picture that come while they are read: microphones, cameras, pipes, network streams.

The user names the source. FFmpeg opens that one and nothing that it refers to, unless the user
allows that: of the formats only those are allowed that hold their sound and picture themselves, of
the protocols only those that the address needs.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.clock import Clock, to_fraction
from mmpyramid.media.container import MediaInfo, nominal_rate
from mmpyramid.media.decoder import Decoder, FrameT
from mmpyramid.media.downmix import Downmix
from mmpyramid.media.pictures import PictureTrack
from mmpyramid.media.resizing import View
from mmpyramid.media.segments import SegmentReader
from mmpyramid.media.sound import SAMPLE_RATE, AnySound, Sound, SoundTrack
from mmpyramid.media.source import (
    OPEN_OPTIONS,
    SELF_CONTAINED,
    STANDARD_INPUT,
    FileReader,
    demuxer_options,
    demuxer_refused,
    errors_with_log,
    packets_of,
    prepare_decoders,
    why_refused,
)
from mmpyramid.media.streams import AnyStream, best_video, played_sound

PROTOCOLS = {
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
    "rtmp": "rtmp,tcp",
    "rtsp": "rtp,udp,tcp",
    "rtsps": "rtp,srtp,udp,tls,tcp",
    "tcp": "tcp",
    "udp": "udp",
}
"""What FFmpeg may connect by, for each kind of address."""

WEB_PROTOCOLS = "http,https,tls,tcp,crypto"
"""What a playlist on a web server may refer by: its parts are often on another, or encrypted."""

PLAYLISTS = frozenset({"hls", "dash"})
"""Formats of streams whose parts are files on web servers."""

RELOADS = 100
"""How often a playlist is read again without anything new in it before it has ended."""

DEVICES = ("alsa", "avfoundation", "dshow", "lavfi", "pulse", "v4l2")
"""FFmpeg's names of what sound and picture are recorded by; `lavfi` makes test signals."""

USUAL = {
    "linux": {"microphone": "alsa:default", "camera": "v4l2:/dev/video0"},
    "darwin": {"microphone": "avfoundation::default", "camera": "avfoundation:default"},
}
"""What `microphone` and `camera` mean, by system."""

SILENT = 60.0
"""Seconds without a byte from a connection after which it is given up."""

LATE = 2
"""Seconds. If one of sound and picture is later than the other by more, it is not waited for."""

STEP = Fraction(1, 2)
"""Seconds that are filled at least where one of sound and picture does not come."""


@dataclass(frozen=True, kw_only=True)
class LiveSource:
    """What is listened to.

    Attributes:
        name: as the user wrote it, for messages.
        address: what FFmpeg opens, or the path of a file or pipe; `-` is standard input.
        device: FFmpeg's name of the kind of device, empty if it is none.
        protocols: those that the address needs, empty for files, pipes and devices.
        follows_playlists: open what a playlist (HLS, DASH) at the address names, on any web server.
    """

    name: str
    address: str
    device: str = ""
    protocols: str = ""
    follows_playlists: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it is a file or a pipe, which a confined process can be handed."""
        return not (self.device or self.protocols)

    @classmethod
    def playlist(cls, address: str) -> LiveSource:
        """The stream whose playlist (HLS, DASH) is at an address, with the parts that it names.

        Raises:
            UserError: if the address is not one of the web.

        Example:
            >>> LiveSource.playlist("https://example.org/live.m3u8").follows_playlists
            True
        """
        if not address.lower().startswith(("http://", "https://")):
            raise UserError(
                f"expected the address of a playlist, http:// or https://, got {address!r}; only "
                "there references are followed"
            )
        return cls(name=address, address=address, protocols=WEB_PROTOCOLS, follows_playlists=True)

    @classmethod
    def parse(cls, text: str) -> LiveSource:
        """Read what a user names: an address, a device, `microphone`, `camera`, a path, or `-`.

        Raises:
            UserError: if it is no source, or this system has no such device.

        Example:
            >>> LiveSource.parse("rtsp://camera.local/stream").protocols
            'rtp,udp,tcp'
            >>> LiveSource.parse("alsa:hw:1").address
            'hw:1'
        """
        if (usual := USUAL.get(sys.platform, {}).get(text)) is not None:
            return cls.parse(usual)
        if text in {"microphone", "camera"}:
            raise UserError(
                f"expected a device that FFmpeg knows here, got `{text}`; name it as FFmpeg does, "
                "such as dshow:audio=NAME"
            )
        scheme, _, rest = text.partition("://")
        if rest:
            if scheme.lower() not in PROTOCOLS:
                raise UserError(
                    f"expected an address that begins with {', '.join(PROTOCOLS)} and ://, got "
                    f"{text!r}"
                )
            return cls(name=text, address=text, protocols=PROTOCOLS[scheme.lower()])
        device, _, address = text.partition(":")
        if device in DEVICES and address:
            _check_device(device)
            return cls(name=text, address=address, device=device)
        if text.startswith("/dev/video"):
            return cls.parse(f"v4l2:{text}")
        return cls(name=text, address=text)

    def check(self) -> None:
        """Check that the file or pipe exists; nothing is opened.

        Raises:
            UserError: if it is not, or is a folder or a terminal.
        """
        if not self.is_file:
            return
        if Path(self.address) == STANDARD_INPUT:
            if sys.stdin.isatty():
                raise UserError(
                    "expected sound or pictures from standard input, got a terminal; give them by "
                    "a pipe, as in `recorder | mmpyramid listen -`"
                )
            return
        try:
            mode = Path(self.address).stat().st_mode
        except (OSError, ValueError) as error:
            raise self._cannot_open(error) from error
        if stat.S_ISDIR(mode):
            raise UserError(
                f"expected a source of sound or pictures, but {self.name} is a folder; parse it by "
                "`mmpyramid parse`"
            )

    def open_file(self) -> int:
        """Open the file or pipe; whoever calls this closes the descriptor.

        Raises:
            UserError: if it cannot be read.
        """
        if Path(self.address) == STANDARD_INPUT:
            return os.dup(sys.stdin.fileno())
        try:
            return os.open(self.address, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._cannot_open(error) from error

    def _cannot_open(self, error: OSError | ValueError) -> UserError:
        reason = getattr(error, "strerror", None) or error
        return UserError(
            f"expected a source of sound or pictures, but {self.name} cannot be opened "
            f"({reason}); give a file, a pipe (`-` is standard input), `microphone`, `camera`, "
            f"a device ({', '.join(DEVICES)}, such as alsa:default), or an address "
            f"({', '.join(PROTOCOLS)}, such as rtsp://host/stream)"
        )

    def open(self, descriptor: int | None = None) -> InputContainer:
        """Open the source, which may take as long as it takes to send the first seconds.

        Args:
            descriptor: of the file or pipe, if it is one.

        Raises:
            UserError: if it cannot be opened, or is in a format that refers to others.
        """
        demuxers = SELF_CONTAINED | ({self.device} if self.device else set())
        if self.protocols and self.address.lower().startswith("rtsp"):
            demuxers |= {"rtsp", "rtp"}
        if self.follows_playlists:
            demuxers |= PLAYLISTS
        options = demuxer_options(frozenset(demuxers), self.protocols or "none")
        # What comes by UDP is lost where it is late, and another way cannot be tried later on.
        options |= {"rtsp_flags": "prefer_tcp"}
        if self.follows_playlists:
            options |= {"max_reload": str(RELOADS)}
        kept: dict[str, Any] = dict(OPEN_OPTIONS)
        if self.protocols:
            kept["timeout"] = SILENT
        if self.device:
            kept["format"] = self.device
        file = self.address if descriptor is None else _reader(descriptor, self.name)
        try:
            with errors_with_log():
                container: InputContainer = av.open(file, mode="r", options=options, **kept)
        except (av.FFmpegError, ValueError) as error:
            refused = demuxer_refused(error) if isinstance(error, av.FFmpegError) else None
            if refused is not None:
                raise UserError(self._refusal(refused)) from error
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"expected a source of sound or pictures that can be read as they come (MPEG-TS, "
                f"Matroska, FLV, Ogg, WAV and others), but FFmpeg cannot open {self.name}: "
                f"{reason}"
            ) from error
        prepare_decoders(container)
        return container

    def _refusal(self, demuxer: str) -> str:
        message = f"expected a source of sound or pictures, but {self.name}"
        if self.protocols and demuxer in PLAYLISTS:
            return (
                f"{message} is a playlist (`{demuxer}`), whose parts are other files; with "
                "`--allow-references` they are read as well"
            )
        return f"{message} {why_refused(demuxer)}"


def _check_device(device: str) -> None:
    known = {name for each in av.formats_available for name in each.split(",")}
    if device not in known:
        raise UserError(
            f"expected a device that FFmpeg has here, got `{device}`; it has "
            f"{', '.join(sorted(known & set(DEVICES)))}"
        )


def _reader(descriptor: int, name: str) -> FileReader | _PipeReader:
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    return (FileReader if is_file else _PipeReader)(descriptor, Path(name))


class _PipeReader:
    """The bytes of a pipe as they come; without `seek` FFmpeg reads from front to back."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self.name = re.sub(r"[%*?\[{]", "_", str(path))
        self._descriptor = descriptor

    def read(self, num_bytes: int) -> bytes:
        return os.read(self._descriptor, num_bytes)


class LiveReader(SegmentReader):
    """Iterates a live source as one-second segments, each as soon as it has come.

    The segments are those that `SegmentReader` gives of the same bytes in a file. Where one of
    sound and picture stays away for `LATE` seconds while the other comes, silence or the last
    picture takes its place.

    Args:
        container: of the source; its owner closes it.
        name: of the source, for messages.
        views: the required pictures, for each network that takes some.
        sounds: the required sound, of one rate, if any.
        video: whether to read the picture.

    Raises:
        UserError: if the source has neither of what is required, or several rates are.
    """

    def __init__(
        self,
        container: InputContainer,
        name: str,
        views: Sequence[View],
        *,
        sounds: Sequence[Sound] = (Sound(),),
        video: bool = True,
    ) -> None:
        if len(sounds) > 1:
            rates = " and ".join(str(each.rate) for each in sounds)
            raise UserError(
                f"expected networks that take sound of one rate from a live source, got {rates} Hz"
            )
        picture = best_video(container)
        sound = played_sound(container, picture)
        chosen: Mapping[Modality, AnyStream | None] = {
            Modality.AUDIO: sound if sounds else None,
            Modality.VISUAL: picture if video else None,
        }
        self._modalities = [m for m, stream in chosen.items() if stream is not None]
        if not self._modalities:
            raise UserError(
                f"expected sound or pictures that can be decoded, but {name} "
                f"({container.format.long_name}) has none"
            )
        self.info = MediaInfo(
            path=Path(name),
            format=container.format.name,
            nominal_rate=nominal_rate(picture),
            length_is_guessed=True,
        )
        self.views, self.sounds, self.duration, self.notes = tuple(views), tuple(sounds), 0.0, ()
        present = {Modality.AUDIO: sound, Modality.VISUAL: picture}
        self.missing = tuple(m for m, stream in present.items() if stream is None)
        self._sound, self._picture = sound, picture
        self._shared = _SharedPackets(container, [s for s in chosen.values() if s is not None])

    def _open_sounds(self, stack: ExitStack) -> list[AnySound]:
        del stack
        if Modality.AUDIO not in self._modalities or self._sound is None:
            return []
        decoder: _LiveDecoder[av.AudioFrame] = _LiveDecoder(self._sound, "sound", self._shared)
        rate = self.sounds[0].rate
        return [SoundTrack(self._sound, Downmix.AUDIBLE, decoder=decoder, rate=rate)]

    def _open_pictures(self, stack: ExitStack) -> PictureTrack | None:
        del stack
        if Modality.VISUAL not in self._modalities or self._picture is None:
            return None
        self._picture.thread_type = "AUTO"
        decoder: _LiveDecoder[av.VideoFrame] = _LiveDecoder(self._picture, "picture", self._shared)
        return PictureTrack(self._picture, self.views, decoder=decoder)


class _SharedPackets:
    """One reading of a source for two decoders: what one does not take yet waits for it.

    Args:
        container: of the source.
        streams: those that are decoded.

    Attributes:
        clock: has placed all packets.
        failure: why reading broke off, if it did.
    """

    def __init__(self, container: InputContainer, streams: Sequence[AnyStream]) -> None:
        self.clock = Clock(container, streams)
        self.failure = ""
        self._demux = packets_of(container, *streams)
        self._waiting: dict[int, deque[av.Packet[Any]]] = {s.index: deque() for s in streams}
        self._reached: dict[int, Fraction | None] = {s.index: None for s in streams}
        self._begun: Fraction | None = None
        self._is_over = False

    def next(self, index: int) -> av.Packet[Any] | Fraction | None:
        """The next packet of a stream; a time up to which nothing comes; None at the end."""
        while not self._waiting[index]:
            if self._is_over:
                return None
            self._read()
            if not self._waiting[index] and (until := self._overdue(index)) is not None:
                self._reached[index] = until
                return until
        return self._waiting[index].popleft()

    def _read(self) -> None:
        try:
            packet = next(self._demux, None)
        except av.FFmpegError as error:
            self.failure, packet = str(error.strerror), None
        if packet is None:
            self._is_over = True
            return
        self.clock.place(packet)
        index, stamp = packet.stream.index, packet.pts if packet.dts is None else packet.dts
        self._waiting[index].append(packet)
        if stamp is not None:
            second = stamp * to_fraction(packet.time_base)
            self._begun = second if self._begun is None else self._begun
            self._reached[index] = max(second, self._reached[index] or second)

    def _overdue(self, index: int) -> Fraction | None:
        """Until when a stream has nothing, if another is too far ahead of it to be waited for."""
        others = [r for i, r in self._reached.items() if i != index and r is not None]
        if not others or self._begun is None:
            return None
        until, own = max(others) - LATE, self._reached[index]
        return until if until >= (self._begun if own is None else own) + STEP else None


class _LiveDecoder(Decoder[FrameT]):
    """Decodes one stream of a source whose packets are shared."""

    def __init__(self, stream: AnyStream, name: str, shared: _SharedPackets) -> None:
        super().__init__(stream, name)
        self.clock, self._shared = shared.clock, shared
        self._absent_until: Fraction | None = None
        self._repeats = isinstance(stream, av.VideoStream)
        self._last: FrameT | None = None

    def _packets(self) -> Iterator[av.Packet[Any] | None]:
        while (found := self._shared.next(self._stream.index)) is not None:
            if isinstance(found, Fraction):
                self._absent_until, found = found, av.Packet(1)
                found.stream = self._stream
            yield found
        if self._shared.failure:
            self.remember(self._shared.failure)
            yield None

    def _decode(self, packet: av.Packet[Any] | None) -> list[FrameT]:
        if self._absent_until is not None:
            frame = self._last or cast("FrameT", self._blank())
            frame.pts = int(self._absent_until / self._time_base)
            self._absent_until = None
            return [frame]
        frames = cast("list[FrameT]", self._codec.decode(packet))
        if frames and self._repeats:
            self._last = frames[-1]
        return frames

    def _blank(self) -> av.VideoFrame | av.AudioFrame:
        """A black picture, or a moment of silence, before which the track fills in more."""
        if isinstance(self._stream, av.VideoStream):
            return av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1), np.float32), "fltp", "mono")
        frame.sample_rate = self._stream.sample_rate or SAMPLE_RATE
        return frame

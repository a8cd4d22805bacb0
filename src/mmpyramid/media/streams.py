"""Which picture and which sound of a file are read, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias, TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.media.downmix import to_channels
from mmpyramid.media.source import packets_of

AnyStream: TypeAlias = av.VideoStream | av.AudioStream
StreamT = TypeVar("StreamT", av.VideoStream, av.AudioStream)

SILENCE = 2.0**-15
"""Loudest sample of a track that is silent: less than one step of 16 bits."""

PEEK_PLACES = (0.0, 0.25, 0.5, 0.75)
"""Where tracks are compared, as parts of the file."""

PEEK_SECONDS = 15
"""How much is listened to at each of these places."""

MAX_PEEK_PACKETS = 5000
"""At each of these places, whatever time stamps say."""


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """Which tracks of a file to read. Numbers count those of a kind from 1; cover art is none.

    Attributes:
        video: the number of the picture; None takes the one that a player would show.
        audio: the number of the sound track, or `all` to mix those of the picture's program; None
            takes the one that a player would play or, where that is silent, the next audible one.

    Raises:
        UserError: if a number is less than 1.
    """

    video: int | None = None
    audio: int | Literal["all"] | None = None

    def __post_init__(self) -> None:
        for name, number in (("--video-track", self.video), ("--audio-track", self.audio)):
            if isinstance(number, int) and number < 1:
                raise UserError(f"expected {name} of 1 or more, got {number}")

    @classmethod
    def parse(cls, video: int | None, audio: str | None) -> Tracks:
        """Of what a person writes: numbers, or `all` for the sound.

        Raises:
            UserError: if a number is none, or less than 1.

        Example:
            >>> Tracks.parse(None, "2")
            Tracks(video=None, audio=2)
        """
        if audio is None or audio == "all":
            return cls(video=video, audio="all" if audio else None)
        if not (audio.isascii() and audio.isdecimal() and len(audio) < 10):
            raise UserError(f"expected --audio-track of a number or `all`, got {shorten(audio)!r}")
        return cls(video=video, audio=int(audio))


PLAYED = Tracks()
"""Those that a player would take, as far as they can be heard."""


def choose_picture(
    container: InputContainer, tracks: Tracks
) -> tuple[av.VideoStream | None, tuple[str, ...]]:
    """Choose the picture, and say what is left out.

    Returns:
        The stream, None if there is none that can be decoded; and notes.

    Raises:
        UserError: if the file lacks the one that is asked for, or it cannot be decoded.
    """
    pictures = moving_pictures(container)
    if tracks.video is None:
        chosen = best_video(container)
    else:
        chosen = _numbered(container, pictures, tracks.video, "--video-track")
    left_out = _note_left_out(pictures, [chosen] if chosen else [], "picture", "--video-track N")
    return chosen, left_out


def choose_sound(
    container: InputContainer, tracks: Tracks, picture: av.VideoStream | None
) -> tuple[tuple[av.AudioStream, ...], tuple[str, ...]]:
    """Choose the sound that belongs to a picture, and say what is left out.

    Where tracks have to be compared, this reads on; open the file anew to decode it.

    Returns:
        The streams, several if they are to be mixed, none if none can be decoded; and notes.

    Raises:
        UserError: if the file lacks the track that is asked for, or it cannot be decoded.
    """
    sounds = container.streams.audio
    notes: tuple[str, ...] = ()
    if isinstance(tracks.audio, int):
        chosen = [_numbered(container, sounds, tracks.audio, "--audio-track")]
    else:
        chosen = _of_program(container, picture, [s for s in sounds if can_be_decoded(s)])
        if len(chosen) > 1:
            audible = _audible(container, chosen, stop_at_first=tracks.audio is None)
            if audible and chosen[0] not in audible:
                notes = (f"sound track {sounds.index(chosen[0]) + 1} is silent",)
            chosen = audible or chosen
        if tracks.audio is None:
            chosen = chosen[:1]
    left_out = _note_left_out(sounds, chosen, "sound track", "--audio-track N` or `all")
    return tuple(chosen), notes + left_out


def played_sound(
    container: InputContainer, picture: av.VideoStream | None
) -> av.AudioStream | None:
    """The sound that a player would play with a picture, silent or not; nothing is read."""
    decodable = [s for s in container.streams.audio if can_be_decoded(s)]
    return next(iter(_of_program(container, picture, decodable)), None)


def moving_pictures(container: InputContainer) -> tuple[av.VideoStream, ...]:
    """All pictures but cover art."""
    return tuple(
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    )


def best_video(container: InputContainer) -> av.VideoStream | None:
    """The picture that a player would show, None if there is none that can be decoded."""
    candidates = [s for s in moving_pictures(container) if can_be_decoded(s)]
    preferred = _best(container, "video")
    return next((s for s in candidates if s is preferred), next(iter(candidates), None))


def _best(
    container: InputContainer, kind: Literal["video", "audio"], related: AnyStream | None = None
) -> object:
    """The stream that FFmpeg prefers; None if it is one that has appeared since the opening."""
    try:
        return container.streams.best(kind, related=related)
    except IndexError:  # PyAV does not know it.
        return None


def can_be_decoded(stream: AnyStream) -> bool:
    """Whether FFmpeg knows the codec."""
    return stream.codec_context is not None


def _numbered(
    container: InputContainer, streams: Sequence[StreamT], number: int, flag: str
) -> StreamT:
    """The stream that a person names by its number."""
    if number > len(streams):
        raise UserError(
            f"expected {flag} of a track that is there, got {number}: {container.name} has "
            f"{len(streams)}"
        )
    stream = streams[number - 1]
    if not can_be_decoded(stream):
        raise UserError(
            f"expected {flag} of a track that can be decoded, got {number}: its codec is unknown"
        )
    return stream


def _of_program(
    container: InputContainer, video: av.VideoStream | None, sounds: Sequence[av.AudioStream]
) -> list[av.AudioStream]:
    """The sound tracks that belong to a picture, the one first that a player would play.

    FFmpeg tells which program a stream belongs to by naming the best other stream of it.
    """
    preferred = _best(container, "audio", video)
    if video is not None:
        program = _best(container, "video", video)
        own = [s for s in sounds if _best(container, "video", s) is program]
        sounds = own or sounds
    return sorted(sounds, key=lambda stream: stream is not preferred)


def _audible(
    container: InputContainer, streams: Sequence[av.AudioStream], *, stop_at_first: bool
) -> list[av.AudioStream]:
    """Which tracks are not silent, as far as a few places tell.

    Args:
        container: what to read; its position is lost.
        streams: the tracks.
        stop_at_first: stop listening once the first of them is heard.
    """
    heard: set[int] = set()
    for part in PEEK_PLACES:
        if part:
            try:
                container.seek(
                    round((container.start_time or 0) + part * (container.duration or 0))
                )
            except av.FFmpegError:
                break
        with suppress(av.FFmpegError):
            _listen(container, streams, heard, stop_at_first=stop_at_first)
        if len(heard) == len(streams) or (stop_at_first and streams[0].index in heard):
            break
    return [stream for stream in streams if stream.index in heard]


def _listen(
    container: InputContainer,
    streams: Sequence[av.AudioStream],
    heard: set[int],
    *,
    stop_at_first: bool,
) -> None:
    """Add the tracks to `heard` that are not silent in the next seconds."""
    first: float | None = None
    for packet in islice(packets_of(container, *streams), MAX_PEEK_PACKETS):
        if packet.pts is not None and packet.time_base is not None:
            second = float(packet.pts * packet.time_base)
            first = second if first is None else first
            if second > first + PEEK_SECONDS:
                break
        if packet.stream_index in heard:
            continue
        with suppress(av.FFmpegError):  # A damaged beginning; whoever reads the sound will say so.
            for frame in packet.decode():
                assert isinstance(frame, av.AudioFrame), "packets of sound hold sound"
                if np.abs(to_channels(frame)).max(initial=0) > SILENCE:
                    heard.add(packet.stream_index)
        if len(heard) == len(streams) or (stop_at_first and streams[0].index in heard):
            break


def _note_left_out(
    streams: Sequence[StreamT], chosen: Sequence[StreamT], name: str, flags: str
) -> tuple[str, ...]:
    """Say which streams are not read, if any."""
    notes: list[str] = []
    if streams and not chosen:
        kind = name.removesuffix(" track")
        return (f"the {kind} is in a codec that cannot be decoded, so it is treated as absent",)
    left_out = [
        f"{number} ({_describe(stream)})"
        for number, stream in enumerate(streams, 1)
        if stream not in chosen
    ]
    if left_out:
        taken = " and ".join(str(streams.index(stream) + 1) for stream in chosen)
        notes.append(f"{name} {taken} was read; left out: {', '.join(left_out)}; `{flags}` chooses")
    return tuple(notes)


def _describe(stream: AnyStream) -> str:
    """Codec, size or layout, language and title."""
    if not can_be_decoded(stream):
        return "unknown codec"
    words = [stream.codec_context.codec.canonical_name]
    if isinstance(stream, av.VideoStream):
        words.append(f"{stream.width}x{stream.height}")
    elif stream.channels:  # None is known of a track that begins late in the file.
        words.append({1: "mono", 2: "stereo"}.get(stream.channels, stream.layout.name))
    words += filter(None, (stream.language, stream.metadata.get("title")))
    return ", ".join(words)

"""Choosing the streams of a file, and what it holds, without decoding it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import av
from av.container import InputContainer
from av.stream import Disposition

from mmpyramid.core.errors import UserError
from mmpyramid.media.source import Source, open_media, to_media_file

SAMPLE_RATE = 16_000
"""Samples per second of every waveform: what the sound backbones were trained on."""

HEADERLESS = ("aac", "mp3")
"""Formats whose length FFmpeg may have to guess from the bit rate."""

StreamT = TypeVar("StreamT", av.VideoStream, av.AudioStream)


def best_video(container: InputContainer) -> av.VideoStream | None:
    """The picture that a player would show; cover art is none."""
    return _best(container, "video", container.streams.video)


def best_audio(container: InputContainer) -> av.AudioStream | None:
    """The sound that a player would play."""
    return _best(container, "audio", container.streams.audio)


def undecodable_notes(container: InputContainer) -> tuple[str, ...]:
    """Say which kinds of stream are present, but only in codecs that FFmpeg cannot decode."""
    streams = container.streams
    return tuple(
        f"the {name} is in a codec that cannot be decoded, so it is treated as absent"
        for name, present, chosen in (
            ("picture", [s for s in streams.video if not _is_cover(s)], best_video(container)),
            ("sound", streams.audio, best_audio(container)),
        )
        if present and chosen is None
    )


def _best(
    container: InputContainer, kind: Literal["video", "audio"], streams: tuple[StreamT, ...]
) -> StreamT | None:
    candidates = [s for s in streams if s.codec_context is not None and not _is_cover(s)]
    preferred = container.streams.best(kind)
    return next((s for s in candidates if s is preferred), next(iter(candidates), None))


def _is_cover(stream: av.VideoStream | av.AudioStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a file's header says about the streams that a reader would use.

    Attributes:
        path: the file.
        format: FFmpeg's name of the container format.
        duration: seconds that the header promises, or None; `SegmentReader.duration` is measured.
        video_codec: FFmpeg's name of the picture's codec, None without picture.
        width: pixels of the upright picture (rotation applied), None without picture.
        height: pixels of the upright picture, None without picture.
        rotation: degrees counter-clockwise that make the stored picture upright: 0, 90, 180 or 270.
        frame_rate: average pictures per second, None if unknown.
        audio_codec: FFmpeg's name of the sound's codec, None without sound.
        sample_rate: samples per second and channel as stored, None without sound.
        channels: number of channels as stored, None without sound.
        notes: what a reader should know, for instance that a codec is unknown.
    """

    path: Path
    format: str
    duration: float | None = None
    video_codec: str | None = None
    width: int | None = None
    height: int | None = None
    rotation: int = 0
    frame_rate: float | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_video(self) -> bool:
        """Whether there is a moving picture; cover art is none."""
        return self.video_codec is not None

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track, be it silent."""
        return self.audio_codec is not None


def probe(source: Source) -> MediaInfo:
    """Read the header of a media file, and one picture for the rotation.

    Raises:
        UserError: if the file is absent, a folder, empty, not media, or has neither picture nor
            sound.

    Example:
        >>> info = probe("clip.mp4")  # doctest: +SKIP
        >>> info.has_audio, info.width, info.height  # doctest: +SKIP
        (True, 1280, 720)
    """
    path = to_media_file(source).path
    with open_media(source) as container:
        video, audio = best_video(container), best_audio(container)
        notes = undecodable_notes(container)
        if video is None and audio is None:
            raise UserError(
                f"expected a file with picture or sound, but {path} ({container.format.long_name}) "
                f"has none that can be decoded; {'; '.join(notes) or 'it has no such stream'}"
            )
        rotation = 0 if video is None else _rotation(video)
        sizes = None if video is None else (video.width, video.height)
        width, height = (sizes[::-1] if rotation % 180 else sizes) if sizes else (None, None)
        return MediaInfo(
            path=path,
            format=container.format.name,
            duration=container.duration / av.time_base if container.duration else None,
            video_codec=video.codec_context.codec.canonical_name if video else None,
            width=width,
            height=height,
            rotation=rotation,
            frame_rate=float(video.average_rate) if video and video.average_rate else None,
            audio_codec=audio.codec_context.codec.canonical_name if audio else None,
            sample_rate=audio.sample_rate if audio else None,
            channels=audio.channels if audio else None,
            notes=notes,
        )


def quarter_turns(frame: av.VideoFrame) -> int:
    """Quarter turns counter-clockwise, 0 to 3, that make a stored picture upright."""
    return round(frame.rotation / 90) % 4


def _rotation(stream: av.VideoStream) -> int:
    """The rotation is known from a decoded picture only; 0 if there is none."""
    container = stream.container
    assert isinstance(container, av.container.InputContainer)
    try:
        frame = next(container.decode(stream), None)
    except av.FFmpegError:  # a damaged beginning; whoever reads the pictures will say so
        return 0
    return 0 if frame is None else 90 * quarter_turns(frame)

"""What a file holds, without decoding it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from mmpyramid.core.errors import UserError
from mmpyramid.core.frames import HIGHEST_RATE, LOWEST_RATE, nearest_rate
from mmpyramid.media.clock import declared_end, length_is_guessed, to_fraction
from mmpyramid.media.resizing import UPRIGHT, Orientation, pixel_aspect
from mmpyramid.media.source import Source, open_media, to_media_file
from mmpyramid.media.streams import PLAYED, AnyStream, Tracks, choose_picture, choose_sound


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a file's header says about the streams that a reader would use.

    Attributes:
        path: the file.
        format: FFmpeg's name of the container format.
        duration: seconds that the header promises, or None; `SegmentReader.duration` is measured.
        video_codec: FFmpeg's name of the picture's codec, None without picture.
        width: pixels of the picture as it is shown, upright and of square pixels; None without.
        height: pixels of the picture as it is shown, None without picture.
        rotation: degrees counter-clockwise that make the stored picture upright: 0, 90, 180 or 270.
        mirrored: whether left and right of the stored picture are exchanged before that.
        frame_rate: average pictures per second, None if unknown.
        nominal_rate: the same as a timeline has it: a fraction, that of a standard where it is near
            one; empty if unknown.
        audio_codec: FFmpeg's name of the sound's codec, None without sound.
        sample_rate: samples per second and channel as stored, None without sound.
        channels: number of channels as stored, None without sound.
        video_stream: FFmpeg's number of the stream with the picture, None without picture.
        audio_streams: FFmpeg's numbers of the streams with the sound, more than one if mixed.
        length_is_guessed: whether `duration` is FFmpeg's guess, which may be far from true.
        notes: what a reader should know, for instance that a codec is unknown.

    Example:
        >>> info = probe("clip.mp4")  # doctest: +SKIP
        >>> info.width, info.height, info.sample_rate  # doctest: +SKIP
        (1280, 720, 44100)
    """

    path: Path
    format: str
    duration: float | None = None
    video_codec: str | None = None
    width: int | None = None
    height: int | None = None
    rotation: int = 0
    mirrored: bool = False
    frame_rate: float | None = None
    nominal_rate: str = ""
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    video_stream: int | None = None
    audio_streams: tuple[int, ...] = ()
    length_is_guessed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def has_video(self) -> bool:
        """Whether there is a moving picture; cover art is none."""
        return self.video_codec is not None

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track, be it silent."""
        return self.audio_codec is not None


def probe(source: Source, tracks: Tracks = PLAYED) -> MediaInfo:
    """Read the header of a media file, and one picture for the rotation.

    Args:
        source: the file.
        tracks: which of its tracks are meant.

    Raises:
        UserError: if the file is absent, a folder, empty, not media, has neither picture nor sound,
            or lacks a track that is asked for.

    Example:
        >>> info = probe("clip.mp4")  # doctest: +SKIP
        >>> info.has_audio, info.width, info.height  # doctest: +SKIP
        (True, 1280, 720)
    """
    path = to_media_file(source).path
    with open_media(source) as container:
        video, notes = choose_picture(container, tracks)
        orientation = UPRIGHT if video is None else _orientation(video)
        sounds, left_out = choose_sound(container, tracks, video)
        notes += left_out
        if video is None and not sounds:
            raise UserError(
                f"expected a file with picture or sound, but {path} ({container.format.long_name}) "
                f"has none that can be decoded; "
                f"{'; '.join(notes) or 'it has no such stream'}"
            )
        audio = next(iter(sounds), None)
        width, height = _shown_size(video, orientation) if video else (None, None)
        return MediaInfo(
            path=path,
            format=container.format.name,
            duration=_length(container, [*([video] if video else []), *sounds]),
            video_codec=video.codec_context.codec.canonical_name if video else None,
            width=width,
            height=height,
            rotation=orientation.rotation,
            mirrored=orientation.flips,
            frame_rate=float(video.average_rate) if video and video.average_rate else None,
            nominal_rate=nominal_rate(video),
            audio_codec=audio.codec_context.codec.canonical_name if audio else None,
            sample_rate=audio.sample_rate if audio else None,
            channels=audio.channels if audio else None,
            video_stream=video.index if video else None,
            audio_streams=tuple(stream.index for stream in sounds),
            length_is_guessed=length_is_guessed(container),
            notes=notes,
        )


def _length(container: InputContainer, chosen: Sequence[AnyStream]) -> float | None:
    """Seconds that the file promises of what is read of it, None if it promises nothing.

    Captions and data may go on long after sound and picture, in Matroska above all.
    """
    ends = [end for end in map(declared_end, chosen) if end is not None]
    if len(container.streams) > len(chosen) and len(ends) == len(chosen):
        begins = [(s.start_time or 0) * to_fraction(s.time_base) for s in chosen]
        return float(max(ends) - min(begins))
    return container.duration / av.time_base if container.duration else None


def nominal_rate(stream: av.VideoStream | None) -> str:
    """The rate of a picture as a timeline has it.

    Empty for what is no rate of pictures: some containers tell their clock instead.
    """
    rate = to_fraction(stream.average_rate if stream else None)
    return str(nearest_rate(rate)) if LOWEST_RATE <= rate <= HIGHEST_RATE else ""


def _shown_size(stream: av.VideoStream, orientation: Orientation) -> tuple[int, int]:
    """Width and height of the picture as people see it."""
    size = max(1, round(stream.width * pixel_aspect(stream))), stream.height
    return size[::-1] if orientation.is_transposed else size


def _orientation(stream: av.VideoStream) -> Orientation:
    """It is known from a decoded picture only; that of most files if there is none."""
    container = stream.container
    assert isinstance(container, av.container.InputContainer)
    try:
        frame = next(container.decode(stream), None)
    except IndexError:  # It has no picture; see `packets_of`.
        return UPRIGHT
    except av.FFmpegError:  # a damaged beginning; whoever reads the pictures will say so
        return UPRIGHT
    return UPRIGHT if frame is None else Orientation.of(frame)

"""Writes awkward media files, and tells what a reader found in them."""

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from mmpyramid.media import SAMPLE_RATE, SegmentReader

LEVEL_STEP = 8
"""Frame n of a numbered video is evenly gray, n * 8 of 255, so that n survives compression."""


def number_of(image: np.ndarray) -> int:
    """Which frame of a numbered video this is."""
    return round(float(image.mean()) / LEVEL_STEP)


def gray(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), number * LEVEL_STEP % 256, np.uint8)


def steady(num_frames: int, rate: int = 10, start: float = 0.0) -> list[tuple[float, np.ndarray]]:
    """Numbered frames at a constant rate."""
    return [(start + n / rate, gray(n)) for n in range(num_frames)]


def click(at: float, duration: float, rate: int = 16000, channels: int = 1) -> np.ndarray:
    """(channels, samples): silence but for a short burst at one time."""
    sound = np.zeros((channels, round(duration * rate)), np.float32)
    first = round(at * rate)
    sound[:, first : first + rate // 200] = 0.8
    return sound


def tone(frequency: float, duration: float, rate: int = 16000, channels: int = 1) -> np.ndarray:
    """(channels, samples) of a sine with amplitude 0.5."""
    times = np.arange(round(duration * rate)) / rate
    return np.tile(0.5 * np.sin(2 * np.pi * frequency * times), (channels, 1)).astype(np.float32)


def write_media(
    path: Path,
    frames: Iterable[tuple[float, np.ndarray]] = (),
    sound: np.ndarray | None = None,
    *,
    rate: int = 16000,
    layout: str = "mono",
    sound_start: float = 0.0,
    sound_gap: tuple[float, float] | None = None,
    sound_pace: float = 1.0,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    options: dict[str, str] | None = None,
    fps: int | None = None,
    pixels: str = "yuv420p",
) -> Path:
    """Mux frames given as (seconds, RGB) and sound given as (channels, samples).

    `sound_gap` is (at, length): from that second on, timestamps are that many seconds later;
    they proceed at `sound_pace`. `fps` is for codecs that need a constant frame rate.
    """
    frames = list(frames)
    with av.open(str(path), "w", options=options or {}) as container:
        video = audio = None
        if frames:
            video = container.add_stream(video_codec, rate=fps or 10)
            video.height, video.width = frames[0][1].shape[:2]
            video.pix_fmt = pixels
            video.options = {"crf": "5", "preset": "veryfast"} if video_codec == "libx264" else {}
            video.codec_context.time_base = Fraction(1, fps or 9000)
        if sound is not None:
            audio = container.add_stream(audio_codec, rate=rate, layout=layout)
        if video is not None:
            _mux_video(container, video, frames, fps or 9000)
        if audio is not None:
            times = sound_start, sound_gap, sound_pace
            _mux_audio(container, audio, sound, rate, layout, *times)
    return path


SEEN, HEARD = [3, 4, 5, 6], [5, 9]
"""Seconds of `write_recording` in which the picture is white, and in which there is a tone."""


def write_recording(path: Path, start: float = 0.0, **settings: Any) -> Path:
    """Twelve seconds with the same events as everywhere, on a clock that begins at `start`.

    Args:
        path: the file.
        start: seconds.
        settings: of `write_media`.
    """
    fps = settings.get("fps", 10)
    frames = [
        (start + n / fps, np.full((48, 64, 3), 255 * (3 <= n / fps < 7), np.uint8))
        for n in range(12 * fps)
    ]
    if settings.pop("picture", True) is False:
        frames = []
    sound = two_tones(settings.get("rate", 16000), settings.pop("channels", 1))
    return write_media(path, frames, sound, sound_start=start, **settings)


def two_tones(rate: int = 16000, channels: int = 1) -> np.ndarray:
    """(channels, samples) of twelve seconds, with a tone where it is to be heard."""
    sound = np.zeros((channels, 12 * rate), np.float32)
    for second in HEARD:
        sound[:, second * rate : (second + 1) * rate] = tone(440, 1, rate, channels)
    return sound


def events(reader: SegmentReader) -> tuple[list[int], list[int], int]:
    """Seconds that are white, seconds that are loud, and how many there are."""
    segments = list(reader)
    seen = [s.index for s in segments if s.frames is not None and s.frames.mean() > 128]
    heard = [s.index for s in segments if s.waveform is not None and np.std(s.waveform) > 0.2]
    return seen, heard, len(segments)


def twice(seconds: list[int], later: int = 12) -> list[int]:
    """The same again after the first recording."""
    return seconds + [second + later for second in seconds]


def _mux_video(container, stream, frames, ticks):
    for seconds, image in frames:
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = round(seconds * ticks), Fraction(1, ticks)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _mux_audio(container, stream, sound, rate, layout, start, gap, pace):
    stored = "s16" if stream.codec_context.name.startswith("pcm") else "fltp"
    for begin in range(0, sound.shape[1], 1024):
        block = sound[:, begin : begin + 1024]
        if stored == "s16":
            block = (block * 32767).astype(np.int16).T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block), format=stored, layout=layout
        )
        late = gap[1] if gap and begin / rate >= gap[0] else 0.0
        frame.sample_rate = rate
        frame.pts = round((start + late) * rate + begin * pace)
        frame.time_base = Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def rotate_by_header(path: Path, matrix: tuple[int, int, int, int] = (0, 1, -1, 0)) -> Path:
    """Set a, b, c, d in the `tkhd` box of the picture, which comes first (ISO 14496-12).

    Without them, a clockwise quarter turn.
    """
    data = bytearray(path.read_bytes())
    a, b, c, d = (number * 0x10000 for number in matrix)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def delay_transport_stream(path: Path, stream: int, seconds: float) -> Path:
    """Set the clock of one stream of an MPEG-TS file, named by its PID, forward (ISO 13818-1)."""
    data = bytearray(path.read_bytes())
    for packet in range(0, len(data), 188):
        if int.from_bytes(data[packet + 1 : packet + 3]) & 0x1FFF != stream:
            continue
        if not data[packet + 1] & 0x40:  # No frame begins here.
            continue
        has_extra, begin = data[packet + 3] & 0x20, packet + 4
        payload = begin + (data[begin] + 1 if has_extra else 0)
        for place in range(bin(data[payload + 7] >> 6).count("1")):
            at = payload + 9 + 5 * place
            _delay_stamp(data, at, round(seconds * 90_000))
    path.write_bytes(data)
    return path


def _delay_stamp(data: bytearray, at: int, ticks: int) -> None:
    """Add to a time stamp of 33 bits, which is stored in five bytes with marks between them."""
    mark, high, low = data[at], *struct.unpack_from(">HH", data, at + 1)
    stamp = (mark >> 1 & 7) << 30 | high >> 1 << 15 | low >> 1
    stamp = (stamp + ticks) % 2**33
    data[at] = mark & 0xF0 | stamp >> 30 << 1 | 1
    struct.pack_into(
        ">HH", data, at + 1, (stamp >> 15 & 0x7FFF) << 1 | 1, (stamp & 0x7FFF) << 1 | 1
    )


def write_wav(path: Path, samples: np.ndarray, rate: int, title: bytes = b"") -> Path:
    """16-bit WAV of (samples, channels) whose channels have no names, with a raw title tag."""
    stored = samples.astype("<i2")
    channels = stored.shape[1]
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    tag = b"INFO" + _chunk(b"INAM", title) if title else b""
    body = _chunk(b"fmt ", form) + (_chunk(b"LIST", tag) if tag else b"")
    path.write_bytes(_chunk(b"RIFF", b"WAVE" + body + _chunk(b"data", stored.tobytes())))
    return path


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def spoil(path: Path, begin: float, end: float) -> Path:
    """Overwrite a part of the file, given as fractions of its length, with noise."""
    data = bytearray(path.read_bytes())
    first, last = int(begin * len(data)), int(end * len(data))
    data[first:last] = np.random.default_rng(0).bytes(last - first)
    path.write_bytes(data)
    return path


def truncate(path: Path, keep: float) -> Path:
    """Keep only the first part of the file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    return path


def numbers(reader: SegmentReader) -> list[list[int]]:
    """The number in every frame of every segment, as `gray` put it there."""
    return [[number_of(image) for image in segment.frames] for segment in reader]


def waveform(reader: SegmentReader) -> np.ndarray:
    """The sound of all segments, one after the other."""
    return np.concatenate([segment.waveform for segment in reader])


def onset(samples: np.ndarray) -> float:
    """Second of the first sample that is clearly not silence."""
    return int(np.argmax(np.abs(samples) > 0.2)) / SAMPLE_RATE

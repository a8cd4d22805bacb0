"""Writing MP4 files with H.264 pictures and AAC sound, reproducible byte for byte."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array

AUDIO_BIT_RATE = 64_000
# One thread and no version strings: the same input gives the same bytes.
_VIDEO_OPTIONS = {"preset": "ultrafast", "crf": "23", "threads": "1"}
_AUDIO_OPTIONS = {"aac_coder": "fast"}
_CONTAINER_OPTIONS = {"fflags": "+bitexact", "movflags": "+faststart"}


def write_mp4(
    path: Path,
    frames: NDArray[np.uint8],
    wave: Array,
    *,
    frames_per_second: int,
    sample_rate: int,
) -> None:
    """Encode pictures and sound; the file appears under its name only when it is complete.

    Args:
        path: the file to write; it is replaced if it exists.
        frames: (N, height, width, 3) RGB pictures.
        wave: (samples,) mono waveform in -1..1.
        frames_per_second: pictures per second.
        sample_rate: samples per second.
    """
    partial = path.with_name(f".{path.name}.partial")
    with av.open(
        str(partial), "w", format="mp4", container_options=_CONTAINER_OPTIONS
    ) as container:
        video = container.add_stream("libx264", rate=frames_per_second, options=_VIDEO_OPTIONS)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.gop_size = frames_per_second
        audio = container.add_stream("aac", rate=sample_rate, layout="mono", options=_AUDIO_OPTIONS)
        audio.bit_rate = AUDIO_BIT_RATE
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, frames_per_second)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = sample_rate, 0, Fraction(1, sample_rate)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    partial.replace(path)

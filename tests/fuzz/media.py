"""Good media files of every container, and damaged copies of them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fuzz.mutations import mutants
from media_files import gray, steady, tone, write_media, write_wav

RATE = 48_000


def write_good_files(folder: Path) -> list[Path]:
    """One file at least of every container that people bring."""
    folder.mkdir()
    front = {"movflags": "faststart"}
    sound = tone(440, 1.2)
    opus = {"sound": tone(440, 1.2, rate=RATE), "rate": RATE, "audio_codec": "libopus"}
    flash = {"sound": tone(440, 1.2, rate=44_100), "rate": 44_100, "video_codec": "flv1"}
    return [
        write_media(folder / "a.mp4", steady(12), sound),
        write_media(folder / "b.mp4", steady(20), tone(440, 2), options=front),
        write_media(folder / "c.mp4", steady(10), video_codec="mpeg4"),
        write_media(folder / "d.mp4", sound=sound, options=front),
        write_wav(folder / "e.wav", np.zeros((16000, 1)), 16000),
        write_wav(folder / "f.wav", np.ones((8000, 2)), 8000, title=b"two channels"),
        write_media(folder / "g.ts", steady(12), sound, audio_codec="mp2"),
        write_media(folder / "h.flv", steady(12), **flash),
        write_media(folder / "i.ogg", **opus),
        write_media(folder / "j.mkv", steady(12), sound, audio_codec="pcm_s16le"),
        write_media(folder / "k.webm", steady(12), **opus, video_codec="libvpx"),
        write_mxf(folder / "l.mxf"),
        write_media(folder / "m.aac", sound=sound),
        write_media(folder / "n.mp3", sound=sound, audio_codec="libmp3lame"),
    ]


def write_mxf(path: Path) -> Path:
    """A second of MPEG-2 and PCM; MXF knows the frame rates of television alone."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg2video", rate=25, width=64, height=48, pix_fmt="yuv420p")
        audio = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for number in range(25):
            file.mux(video.encode(av.VideoFrame.from_ndarray(gray(number), "rgb24")))
        for begin, wave in enumerate(np.split(tone(440, 1, rate=RATE), 25, axis=1)):
            frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = begin * wave.shape[1]
            file.mux(audio.encode(frame))
        for stream in (video, audio):
            file.mux(stream.encode(None))
    return path


def write_mutants(folder: Path, number: int) -> list[Path]:
    """At least so many damaged files, of each container in turn."""
    good = write_good_files(folder.with_name("good"))
    folder.mkdir()
    each = -(-number // len(good))
    copies = [mutants(path.read_bytes(), each, seed) for seed, path in enumerate(good)]
    written = []
    for turn in zip(*copies, strict=True):
        for path, content in zip(good, turn, strict=True):
            written.append(folder / f"{len(written):04d}{path.suffix}")
            written[-1].write_bytes(content)
    return written

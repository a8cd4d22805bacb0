"""Two ways of cutting a file into segments: by the second, and as the released scripts did.

The scripts of LLP and AVE make ten segments of a video of any length. They stretch: the k-th
segment's pictures come from the k-th tenth of the video, its sound from second k. On clips of ten
seconds these agree with `SegmentReader` to a quarter of a second.

Shape letters: N frames of the file, T = 10 segments, F pictures per segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from enum import StrEnum
from fractions import Fraction
from itertools import count
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.media.downmix import Downmix
from mmpyramid.media.pictures import PictureTrack, picture_decoder
from mmpyramid.media.resizing import Converter, Image, View, pixel_aspect
from mmpyramid.media.segments import Segment, SegmentReader
from mmpyramid.media.sound import AnySound, Sound
from mmpyramid.media.source import Source, open_media
from mmpyramid.media.streams import PLAYED, Tracks

NUM_SEGMENTS = 10
LLP_RATE = LLP_FRAMES = 8
AVE_FRAMES = 16

Indices: TypeAlias = NDArray[np.intp]
FrameChoice: TypeAlias = Callable[[NDArray[np.float64], float], Indices]
"""From (N,) seconds at which frames begin, and the frame rate, to (T, F) numbers of frames."""


def choose_llp(start_N: NDArray[np.float64], rate: float) -> Indices:
    """Thin to 8 frames per second, then take 80 of these, evenly spread: (10, 8).

    Source: scripts of Tian et al., ECCV 2020: `ffmpeg -r 8` writes pictures, of which the script
    takes numbers round(linspace(0, n - 1, 80)).

    Example:
        >>> choose_llp(np.arange(300) * 384 / 11488, 359 / 12)[0].tolist()
        [0, 1, 3, 7, 10, 14, 18, 22]
    """
    numbers = at_constant_rate(start_N, rate, LLP_RATE)
    chosen = np.linspace(0, len(numbers) - 1, NUM_SEGMENTS * LLP_FRAMES).round().astype(np.intp)
    return numbers[chosen].reshape(NUM_SEGMENTS, LLP_FRAMES)


def choose_ave(start_N: NDArray[np.float64], rate: float) -> Indices:
    """Cut all frames into ten intervals of floor(N / 10), and take 16 of each: (10, 16).

    Source: the extractor of Tian et al., ECCV 2018. Up to nine frames at the end are never used; a
    video of fewer than ten frames gives its first one only.

    Example:
        >>> choose_ave(np.arange(251) / 25, 25.0)[9, [0, 15]].tolist()
        [225, 248]
    """
    del rate
    interval = len(start_N) // NUM_SEGMENTS
    within_F = np.arange(AVE_FRAMES) * interval // AVE_FRAMES
    return np.arange(NUM_SEGMENTS)[:, None] * interval + within_F


def at_constant_rate(start_N: NDArray[np.float64], rate: float, new_rate: float) -> Indices:
    """Which frames `ffmpeg -r <new_rate>` writes, one after the other, as numbers of frames.

    A frame due before -1.1 new frames from the next to be written is dropped; one due after 1.1 is
    written as often as it takes to catch up, of which the earlier copies show its predecessor.

    Source: FFmpeg's "cfr" frame rate conversion as its command line does it; equal to the 82
    pictures that come with LLP's scripts.

    Args:
        start_N: seconds from the beginning of the file.
        rate: frames per second of the file, 0 if unknown.
        new_rate: frames per second to write.
    """
    length = new_rate / rate if rate else 0.0
    written: list[int] = []
    for number, start in enumerate(start_N * new_rate):
        late = start - len(written)
        if late + length < -1.1:
            continue
        copies = round(late + length) if late + length > 1.1 else 1
        earlier = round(late - 0.6) if late > 1.1 else 0
        written += [max(number - 1, 0)] * earlier + [number] * (copies - earlier)
    return np.array(written, np.intp)


FRAME_CHOICES: dict[int, FrameChoice] = {LLP_FRAMES: choose_llp, AVE_FRAMES: choose_ave}
"""The choice of the scripts that take so many frames of each segment."""


class PublishedReader(SegmentReader):
    """Iterates a file as the ten segments that the released scripts make of it.

    Memory grows with the chosen pictures only; pictures are decoded twice, as their number decides
    which are chosen. Sound after ten seconds is left out, and a shorter one padded with silence.

    Args:
        source: the file.
        views: the required pictures: 8 a segment as LLP takes them, or 16 as AVE does.
        sounds: the required sounds.
        audio: whether to read the sound.
        video: whether to read the picture.
        tracks: which tracks of the file to read.

    Raises:
        UserError: as `SegmentReader`, and for another number of pictures.

    Example:
        >>> reader = PublishedReader("clip.mp4", [View(8, (112, 112))])  # doctest: +SKIP
        >>> [segment.frames.shape for segment in reader][9]  # doctest: +SKIP
        (8, 112, 112, 3)
    """

    downmix = Downmix.MEAN

    def __init__(
        self,
        source: Source,
        views: Sequence[View] = (View(LLP_FRAMES),),
        *,
        sounds: Sequence[Sound] = (Sound(),),
        audio: bool = True,
        video: bool = True,
        tracks: Tracks = PLAYED,
    ) -> None:
        super().__init__(source, views, sounds=sounds, audio=audio, video=video, tracks=tracks)
        for view in views:
            if view.frames_per_segment not in FRAME_CHOICES:
                raise UserError(
                    f"expected 8 pictures per segment as the scripts of LLP take them, or 16 as "
                    f"those of AVE do, got {view.frames_per_segment}"
                )

    def __iter__(self) -> Iterator[Segment]:
        with ExitStack() as stack:
            sounds, pictures = self._open_sounds(stack), self._open_pictures(stack)
            zero = self._find_zero(sounds, pictures)
            waveforms = [*zip(*map(_first_seconds, sounds), strict=True)]
            choices = self._choose(pictures, zero)
            tracks = [track for track in (*sounds, pictures) if track is not None]
            end = max(track.end for track in tracks if track.start is not None)
            self.duration = float(end - zero)
            self.notes = self._all_notes(tracks, zero)
        images = self._read(choices)
        for index in range(NUM_SEGMENTS):
            shown = tuple(
                np.stack([images[number, n] for n in chosen_TF[index]])
                for number, chosen_TF in enumerate(choices)
            )
            yield Segment(index, shown, waveforms[index] if waveforms else ())

    def _choose(self, pictures: PictureTrack | None, zero: Fraction) -> list[Indices]:
        """The (T, F) numbers of the chosen frames for each view, nothing at all without picture."""
        if pictures is None or pictures.start is None:
            return []
        pictures.begin(zero)
        start_N = np.fromiter((start - zero for start in pictures.starts()), np.float64)
        rate = self.info.frame_rate or 0.0
        return [FRAME_CHOICES[view.frames_per_segment](start_N, rate) for view in self.views]

    def _read(self, choices: Sequence[Indices]) -> dict[tuple[int, int], Image]:
        """Decode again, and make pictures by the number of the view and that of the frame."""
        if not choices:
            return {}
        needed = [set(chosen_TF.flatten().tolist()) for chosen_TF in choices]
        with open_media(self.source) as container:
            stream, others = self._picture_stream(container)
            aspect = pixel_aspect(stream)
            converters = [Converter(str(self.info.path), view, aspect) for view in self.views]
            return {
                (number, n): converters[number](timed.frame)
                for n, timed in enumerate(picture_decoder(stream, others))
                for number, numbers in enumerate(needed)
                if n in numbers
            }


def _first_seconds(sound: AnySound) -> list[Array]:
    """The waveforms of the T segments, none without sound; the rest is decoded and dropped.

    They count from the first sample, even where the picture begins earlier: so do sound files.
    """
    waveforms: list[Array] = []
    if sound.start is not None:
        sound.begin(sound.start)
        for index in count():
            waveform = sound.next_segment()
            if waveform is not None and index < NUM_SEGMENTS:
                waveforms.append(waveform)
            elif sound.end - sound.start <= index:
                break
    return waveforms


class Sampling(StrEnum):
    """How a file becomes segments; in clips of ten seconds pictures differ by up to 0.25 s."""

    SECONDS = "seconds"
    """As many segments as there are seconds."""
    PUBLISHED = "published"
    """Always ten, as in the released scripts: pictures stretch, sound does not."""

    @property
    def reader(self) -> type[SegmentReader]:
        """What reads files so."""
        return {Sampling.SECONDS: SegmentReader, Sampling.PUBLISHED: PublishedReader}[self]

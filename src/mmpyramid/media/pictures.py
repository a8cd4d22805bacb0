"""The picture track: which frame is on screen at a given time, upright and in RGB."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer

from mmpyramid.media.container import best_video
from mmpyramid.media.decoder import Decoder
from mmpyramid.media.resizing import Converter, Image


def picture_decoder(container: InputContainer) -> Decoder[av.VideoFrame]:
    """The frames of a file whose `probe` saw a picture."""
    stream = best_video(container)
    assert stream is not None, "pictures are read only where `probe` saw some"
    stream.thread_type = "AUTO"
    return Decoder(container, stream, "picture")


class PictureTrack:
    """Reads the picture from front to back, F frames for each second.

    Args:
        container: opened for this track alone, and owned by the caller.
        frames_per_segment: F, frames per second.
        convert: makes pictures out of frames.

    Attributes:
        start: when the first frame shows, seconds on the file's clock; None if no frame decodes.
        end: when the last frame decoded so far ends.
    """

    def __init__(
        self, container: InputContainer, frames_per_segment: int, convert: Converter
    ) -> None:
        self._frames_per_segment = frames_per_segment
        self._convert = convert
        self._zero = self._second = Fraction(0)
        self._decoder = picture_decoder(container)
        self._frames = iter(self._decoder)
        self._image: Image | None = None
        self._current = self._next = next(self._frames, None)
        self.start = self._current.start if self._current else None
        self.end = self._current.end if self._current else Fraction(0)

    def begin(self, zero: Fraction) -> None:
        """Set the point of the file's clock at which the first segment begins."""
        self._zero = self._second = zero

    def next_segment(self) -> Image | None:
        """The frames on screen at (j + 0.5) / F of the next second.

        Returns:
            (F, height, width, 3) uint8 RGB, or None if no frame of the file decodes.
        """
        if self._current is None:
            return None
        F = self._frames_per_segment
        times = [self._second + Fraction(2 * j + 1, 2 * F) for j in range(F)]
        self._second += 1
        return np.stack([self._at(time) for time in times])

    def starts(self) -> Iterator[Fraction]:
        """Read to the end, and tell when each frame shows, seconds on the file's clock."""
        while self._next is not None:
            yield self._next.start
            self._step()

    def notes(self) -> tuple[str, ...]:
        """What is wrong with the track."""
        return self._decoder.notes(self._zero)

    def _at(self, time: Fraction) -> Image:
        """The last frame that begins at or before `time`; the first one if there is none."""
        while self._next is not None and self._next.start <= time:
            if self._next is not self._current:
                self._current, self._image = self._next, None
            self._step()
        if self._image is None:
            assert self._current is not None, "`next_segment` asks only where frames decode"
            self._image = self._convert(self._current.frame)
        return self._image

    def _step(self) -> None:
        self._next = next(self._frames, None)
        self.end = max(self.end, self._next.end) if self._next else self.end

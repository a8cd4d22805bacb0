"""The picture track: which frame is on screen at a given time, upright and in RGB."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from mmpyramid.errors import UserError
from mmpyramid.media.container import best_video
from mmpyramid.media.decoder import Decoder
from mmpyramid.media.info import quarter_turns

Image: TypeAlias = NDArray[np.uint8]


class PictureTrack:
    """Reads the picture from front to back, F frames for each second.

    Args:
        container: opened for this track alone, and owned by the caller.
        frames_per_segment: F, frames per second.
        size: (width, height) to which every picture is squashed; None keeps the first frame's size.

    Attributes:
        start: when the first frame shows, seconds on the file's clock; None if no frame decodes.
        end: when the last frame decoded so far ends.
    """

    def __init__(
        self,
        container: InputContainer,
        frames_per_segment: int,
        size: tuple[int, int] | None = None,
    ) -> None:
        stream = best_video(container)
        assert stream is not None, "the reader opens a picture track only where `probe` saw one"
        stream.thread_type = "AUTO"
        self._path = container.name
        self._frames_per_segment = frames_per_segment
        self._size = size
        self._zero = self._second = Fraction(0)
        self._decoder: Decoder[av.VideoFrame] = Decoder(container, stream, "picture")
        self._frames = iter(self._decoder)
        self._reformatter = VideoReformatter()
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

    def notes(self) -> tuple[str, ...]:
        """What is wrong with the track."""
        return self._decoder.notes(self._zero)

    def _at(self, time: Fraction) -> Image:
        """The last frame that begins at or before `time`; the first one if there is none."""
        while self._next is not None and self._next.start <= time:
            if self._next is not self._current:
                self._current, self._image = self._next, None
            self._next = next(self._frames, None)
            self.end = max(self.end, self._next.end) if self._next else self.end
        if self._image is None:
            assert self._current is not None, "`next_segment` asks only where frames decode"
            self._image = self._to_rgb(self._current.frame)
        return self._image

    def _to_rgb(self, frame: av.VideoFrame) -> Image:
        turns = quarter_turns(frame)
        if self._size is None:
            self._size = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
        width, height = self._size[::-1] if turns % 2 else self._size
        try:
            rgb = self._reformatter.reformat(
                frame, width, height, format="rgb24", src_color_range=frame.color_range
            )
        except av.FFmpegError as error:
            raise UserError(
                f"cannot convert the pictures of {self._path} to RGB: their pixel format is "
                f"{frame.format.name} ({error.strerror}); re-encode the file as ordinary H.264"
            ) from error
        return np.rot90(rgb.to_ndarray(), turns)

"""The picture track: which frame is on screen at a given time, upright and in RGB; thumbnails."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from av.container import InputContainer
from PIL import Image as Pillow

from mmpyramid.media.decoder import Decoder, Timed
from mmpyramid.media.resizing import Converter, Image, View, pixel_aspect
from mmpyramid.media.source import Source, open_media
from mmpyramid.media.streams import AnyStream, best_video

MOST_FRAMES = 300
"""Frames that are decoded for a thumbnail to come from a key frame to the middle of a video."""

QUALITY = 80
"""Of the JPEG of a thumbnail."""


def picture_decoder(
    stream: av.VideoStream, others: Sequence[AnyStream] = ()
) -> Decoder[av.VideoFrame]:
    """The frames of a picture; see `Decoder`."""
    stream.thread_type = "AUTO"
    return Decoder(stream, "picture", others, _alpha_codec(stream))


def _alpha_codec(stream: av.VideoStream) -> av.VideoCodecContext | None:
    """What decodes the transparency of a WebM file, which FFmpeg's own decoders leave out."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.codec.canonical_name)
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if name is None or tags.get("alpha_mode") != "1":
        return None
    try:
        codec = av.CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError:  # Another FFmpeg than that of PyAV's packages.
        return None
    assert isinstance(codec, av.VideoCodecContext)
    codec.options = stream.codec_context.options
    return codec


class PictureTrack:
    """Reads the picture from front to back, for several views of it at once.

    Args:
        stream: the picture, of a container that is opened for it alone and owned by the caller.
        views: the required pictures.
        others: the other streams that are chosen; see `Clock`.
        decoder: what gives its frames, if not a decoder of its own.

    Attributes:
        start: when the first frame shows, seconds of the time line; None if no frame decodes.
        end: when the last frame ends; before it is known, when the latest one begins.
    """

    def __init__(
        self,
        stream: av.VideoStream,
        views: Sequence[View],
        others: Sequence[AnyStream] = (),
        decoder: Decoder[av.VideoFrame] | None = None,
    ) -> None:
        self._views = views
        name, aspect = stream.container.name, pixel_aspect(stream)
        self._converters = [Converter(name, view, aspect) for view in views]
        self._zero = self._second = Fraction(0)
        self._decoder = decoder or picture_decoder(stream, others)
        self._frames = iter(self._decoder)
        self._images: dict[int, Image] = {}
        self._current = self._next = next(self._frames, None)
        self.start = self._current.start if self._current else None
        self.end = self._current.start if self._current else Fraction(0)

    def begin(self, zero: Fraction) -> None:
        """Set the point of the time line at which the first segment begins."""
        self._zero = self._second = zero

    def next_segment(self) -> tuple[Image, ...]:
        """The frames on screen at (j + 0.5) / F of the next second.

        Returns:
            (F, height, width, 3) uint8 RGB for each view; nothing if no frame of the file decodes.
        """
        if self._current is None:
            return ()
        moments = sorted(
            (self._second + Fraction(2 * j + 1, 2 * view.frames_per_segment), number)
            for number, view in enumerate(self._views)
            for j in range(view.frames_per_segment)
        )
        self._second += 1
        images: list[list[Image]] = [[] for _ in self._views]
        for time, number in moments:
            images[number].append(self._at(time, number))
        return tuple(map(np.stack, images))

    def starts(self) -> Iterator[Fraction]:
        """Read to the end, and yield when each frame shows, seconds of the time line."""
        while self._next is not None:
            yield self._next.start
            self._step()

    def notes(self) -> tuple[str, ...]:
        """What is wrong with the track, and where the file's clock jumps."""
        return self._decoder.notes(self._zero)

    def _at(self, time: Fraction, number: int) -> Image:
        """The last frame that begins at or before `time`, or the first, converted for a view."""
        while self._next is not None and self._next.start <= time:
            if self._next is not self._current:
                self._current, self._images = self._next, {}
            self._step()
        if number not in self._images:
            assert self._current is not None, "`next_segment` asks only where frames decode"
            self._images[number] = self._converters[number](self._current.frame)
        return self._images[number]

    def _step(self) -> None:
        last, self._next = self._next, next(self._frames, None)
        assert last is not None, "whoever steps has looked at the next frame"
        self.end = self._next.start if self._next else last.end


def thumbnail(source: Source, size: int = 192) -> bytes | None:
    """The picture in the middle of a video, upright and small.

    Args:
        source: the video.
        size: pixels of the longer side.

    Returns:
        A JPEG, or None if the file has no picture that can be decoded.

    Raises:
        UserError: if the file cannot be opened.

    Example:
        >>> Path("clip.jpg").write_bytes(thumbnail("clip.mp4"))  # doctest: +SKIP
    """
    picture = middle_picture(source, size)
    return None if picture is None else to_jpeg(picture)


def middle_picture(source: Source, size: int) -> Image | None:
    """The picture of `thumbnail`, (height, width, 3) uint8."""
    with open_media(source) as container:
        stream = best_video(container)
        if stream is None:
            return None
        timed = _middle(container, stream)
        convert = Converter(container.name, View(), pixel_aspect(stream))
    if timed is None:
        return None
    image = Pillow.fromarray(convert(timed.frame))
    image.thumbnail((size, size))
    return np.asarray(image)


def to_jpeg(picture: Image) -> bytes:
    """A picture, (height, width, 3) uint8, as a file."""
    content = io.BytesIO()
    Pillow.fromarray(picture).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def _middle(container: InputContainer, stream: av.VideoStream) -> Timed[av.VideoFrame] | None:
    """The first frame of the second half, or the last one before it that is near."""
    middle = (container.start_time or 0) + (container.duration or 0) // 2
    with suppress(av.FFmpegError):  # A file without an index is read from its beginning.
        container.seek(middle)
    found = None
    for found in islice(picture_decoder(stream), MOST_FRAMES):
        if found.start >= Fraction(middle, av.time_base):
            break
    return found

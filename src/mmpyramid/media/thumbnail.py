"""A small picture of a video, for tables of many."""

from __future__ import annotations

import io
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from PIL import Image as Pillow

from mmpyramid.media.container import best_video, open_media
from mmpyramid.media.decoder import Timed
from mmpyramid.media.info import quarter_turns
from mmpyramid.media.pictures import picture_decoder

MOST_FRAMES = 300
"""Frames that are decoded to come from a key frame to the middle of a video."""

QUALITY = 80


def thumbnail(path: str | Path, size: int = 192) -> bytes | None:
    """The picture in the middle of a video, upright and small.

    Args:
        path: the video.
        size: pixels of the longer side.

    Returns:
        A JPEG, or None if the file has no picture that can be decoded.

    Raises:
        UserError: if the file cannot be opened.

    Example:
        >>> Path("clip.jpg").write_bytes(thumbnail("clip.mp4"))  # doctest: +SKIP
    """
    with open_media(Path(path)) as container:
        if best_video(container) is None:
            return None
        timed = _middle(container)
    if timed is None:
        return None
    pixels = np.rot90(timed.frame.to_ndarray(format="rgb24"), quarter_turns(timed.frame))
    image = Pillow.fromarray(pixels)
    image.thumbnail((size, size))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def _middle(container: InputContainer) -> Timed[av.VideoFrame] | None:
    """The first frame of the second half, or the last one before it that is near."""
    middle = (container.start_time or 0) + (container.duration or 0) // 2
    with suppress(av.FFmpegError):  # A file without an index is read from its beginning.
        container.seek(middle)
    found = None
    for found in islice(picture_decoder(container), MOST_FRAMES):
        if found.start >= Fraction(middle, av.time_base):
            break
    return found

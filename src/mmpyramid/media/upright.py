"""Pictures as people see them: turned and mirrored, with square pixels, over black."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from numpy.typing import NDArray

MAX_ASPECT = 10
"""Of a pixel. A header that claims more, to either side, is damaged."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways in which a picture can be stored.

    Attributes:
        is_transposed: whether rows become columns; this comes first.
        is_mirrored: whether left and right are exchanged then.
        is_upside_down: whether top and bottom are exchanged then.
    """

    is_transposed: bool = False
    is_mirrored: bool = False
    is_upside_down: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """That of a decoded frame, by the display matrix of its file.

        A pixel (x, y) of the stored picture is shown at (a x + c y, b x + d y); other angles than
        quarter turns become the nearest of these.
        """
        try:
            matrix = cast("SideDataContainer", frame.side_data)[Type.DISPLAYMATRIX]
        except KeyError:
            return UPRIGHT
        a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
        is_transposed = abs(b) + abs(c) > abs(a) + abs(d)
        to_x, to_y = (c, b) if is_transposed else (a, d)
        return cls(is_transposed, to_x < 0, to_y < 0)

    @property
    def flips(self) -> bool:
        """Whether the stored picture is a mirror image."""
        return self.is_transposed ^ self.is_mirrored ^ self.is_upside_down

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that make the stored picture upright, once it is mirrored."""
        if self.is_transposed:
            return 270 if self.is_mirrored else 90
        return 180 if self.is_upside_down else 0

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """Bring a stored picture (height, width, 3) into this orientation; a view, not a copy."""
        if self.is_transposed:
            image = image.swapaxes(0, 1)
        return image[:: -1 if self.is_upside_down else 1, :: -1 if self.is_mirrored else 1]


UPRIGHT = Orientation()


def pixel_aspect(stream: av.VideoStream) -> float:
    """Width over height of a stored pixel, by which pictures are stretched to be seen."""
    ratio = stream.sample_aspect_ratio
    aspect = ratio.numerator / ratio.denominator if ratio else 1.0
    return aspect if 1 / MAX_ASPECT <= aspect <= MAX_ASPECT else 1.0


def has_alpha(format: av.VideoFormat) -> bool:  # noqa: A002 - FFmpeg's word
    """Whether pictures of a pixel format may be transparent."""
    return format.has_palette or any(component.is_alpha for component in format.components)


def over_black(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The (height, width, 3) picture that is seen where one with transparency lies over black."""
    opacity = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opacity + 127) // 255).astype(np.uint8)

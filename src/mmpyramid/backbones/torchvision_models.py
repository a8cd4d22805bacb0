"""What the backbones that torchvision builds have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum  # type: ignore[import-untyped]

from mmpyramid.backbones.backbone import Backbone
from mmpyramid.backbones.weights import Url


def hub_url(weights: WeightsEnum) -> Url:
    """Where torchvision publishes weights; their file name holds the first digits of the hash.

    Example:
        >>> from torchvision.models import ResNet152_Weights
        >>> hub_url(ResNet152_Weights.IMAGENET1K_V1).sha256
        '394f9c45'
    """
    match = re.search(r"-([0-9a-f]{8,})\.pth$", weights.url)
    assert match, weights.url
    return Url(url=weights.url, sha256=match[1])


def without(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The part of a checkpoint that is not the classifier."""
    return {key: tensor for key, tensor in state.items() if not key.startswith(prefix)}


class PictureBackbone(Backbone):
    """A network on standardized RGB pictures.

    Args:
        network: (P, 3, height, width) to (P, D, ...).
        mean: of red, green and blue within 0..1.
        std: their standard deviations.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor(mean), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std), persistent=False)

    def standardize(self, segments: Tensor) -> Tensor:
        """(..., 3) uint8 RGB to the same shape in the network's number format."""
        x: Tensor = (segments - self.mean) / self.std
        return x.to(next(self.parameters()).dtype)

"""Backbones with published weights, as those that made the features of LLP and AVE.

`PublishedExtractor` runs a network; its weights are a file from a hub, one of the user's own, or
none at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmpyramid.backbones.backbone import Backbone, embed_in_chunks, freeze
from mmpyramid.backbones.base import Precision, check_segments
from mmpyramid.backbones.weights import NOTHING_LEARNED, RandomWeights, Url, digest, fetch
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import open_regular
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum  # type: ignore[import-untyped]


Weights: TypeAlias = Url | Path | RandomWeights
NetworkT = TypeVar("NetworkT", bound=nn.Module)


class PublishedExtractor:
    """A backbone whose weights are downloaded from a hub, or come from a file.

    Subclasses define the network, its input, and its output: `shape` per segment.

    Args:
        device: where to run, as PyTorch names it.
        sampling: how files are cut into segments.
        precision: the number format to compute in.
        weights: a file instead of the hub's, or `RandomWeights()`.

    Raises:
        UserError: if the weights cannot be loaded, or do not fit.
    """

    name: str
    modality: Modality
    shape: tuple[int, ...]
    frames_per_segment = 0
    frame_size = (0, 0)
    resizing = Resizing.SCALER
    hub: Url
    cpu_chunk, gpu_chunk = 2, 16
    """Segments at once: activations that fit the caches of a CPU, or that fill a GPU."""

    def __init__(
        self,
        *,
        device: str = "cpu",
        sampling: Sampling = Sampling.SECONDS,
        precision: Precision = Precision.AUTO,
        weights: Weights | None = None,
    ) -> None:
        network, self.weights_sha256 = make_network(self.make, self.load, weights or self.hub)
        self.sampling = sampling
        self.precision = precision.resolve(device)
        self.network = freeze(network, device, self.precision)
        self.chunk = self.cpu_chunk if torch.device(device).type == "cpu" else self.gpu_chunk

    def make(self) -> Backbone:
        """The network, with random weights."""
        raise NotImplementedError

    def load(self, network: Any, path: Path) -> None:
        """Fill the network from a file."""
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """D, the width of its vectors."""
        return self.shape[-1]

    def embed(self, segments: NDArray[Any]) -> Array:
        """Embed N segments as (N, *shape) float32; see `Extractor.embed`.

        Raises:
            UserError: if shape or type of the segments differ from what the network takes.
        """
        check_segments(self, segments)
        flat = embed_in_chunks(self.network, segments, dim=prod(self.shape), chunk=self.chunk)
        return flat.reshape(-1, *self.shape)


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


def make_network(
    make: Callable[[], NetworkT], load: Callable[[NetworkT, Path], None], weights: Weights
) -> tuple[NetworkT, str]:
    """Make a network with weights.

    Args:
        make: makes one with random weights.
        load: fills it from a file.
        weights: where to take them from.

    Returns:
        The network, and the SHA-256 of the file, or `NOTHING_LEARNED`.

    Raises:
        UserError: if the file cannot be loaded, or does not fit.
    """
    if isinstance(weights, RandomWeights):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights.seed)
            return make(), NOTHING_LEARNED
    path = fetch(weights) if isinstance(weights, Url) else weights
    network = make()
    load(network, path)
    return network, digest(path)


def keep_variance(network: nn.Module) -> None:
    """Begin with random weights through which ReLU layers keep the size of what they pass on.

    Source: He et al., "Delving deep into rectifiers" (2015).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a PyTorch checkpoint without executing anything in it.

    Raises:
        UserError: if the file is not there or is no such checkpoint.
    """
    try:
        with open_regular(path) as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # What it is depends on the bytes, which are taken for a pickle.
        why = f"{type(error).__name__}: {error}"
        raise UserError(unreadable(path, "a PyTorch checkpoint", why)) from error
    if not isinstance(state, Mapping):
        raise UserError(unreadable(path, "a PyTorch checkpoint", f"it is a {type(state)}"))
    return dict(state)


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Fill a network with exactly the tensors that it has.

    Raises:
        UserError: if names or shapes differ.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"expected the weights of {type(network).__name__} in {path}, but they do not fit: "
            f"{' '.join(str(error).split())[:300]}"
        ) from error


def unreadable(path: Path, expected: str, why: object) -> str:
    """The message about a file of weights that cannot be read."""
    return f"expected {expected} at {path}, but reading it failed: {why}; check the path"


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

"""What the extractors that run a frozen PyTorch network have in common.

`Backbone` is the network, `PublishedExtractor` runs one with weights from a hub or a file, as those
that made the published features of LLP and AVE do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.logmel import SAMPLE_RATE, LogMel
from mmpyramid.backbones.pretrained import Weights, make_network
from mmpyramid.backbones.weights import Url
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum  # type: ignore[import-untyped]


class Backbone(nn.Module):
    """A frozen network, some with a classifier on top of the embedding.

    Attributes:
        memory_format: in which layout it convolves fastest.
    """

    memory_format = torch.channels_last

    def embed(self, segments: Tensor) -> Tensor:
        """N segments as an `Extractor` takes them to (N, D) float32."""
        raise NotImplementedError

    def classify(self, embedding_ND: Tensor) -> Tensor:
        """(N, D) embeddings to (N, K) probabilities of the classes of its pretraining."""
        raise NotImplementedError


def freeze(network: Backbone, device: str, precision: Precision = Precision.FLOAT32) -> Backbone:
    """Move a network to `device` for inference, in the memory layout that convolves fastest.

    All its parts but the front end compute in `precision`; its own buffers stay as they are.
    """
    network.requires_grad_(requires_grad=False).eval()
    for part in network.children():
        if not isinstance(part, LogMel):
            part.to(precision.dtype)
    network.to(device)
    return network.to(memory_format=network.memory_format)


@torch.inference_mode()
def embed_in_chunks(network: Backbone, segments: NDArray[Any], *, dim: int, chunk: int) -> Array:
    """Embed N segments, `chunk` at a time so that memory stays bounded; (N, dim) float32.

    The last chunk is filled up with zeros: kernels sum in an order that depends on the shape, so
    only with one shape are the bits of a segment the same in whatever company it is embedded.
    """
    device = next(network.parameters()).device
    embedding_ND = np.empty((len(segments), dim), np.float32)
    for start in range(0, len(segments), chunk):
        part = segments[start : start + chunk]
        filled = np.zeros((chunk, *part.shape[1:]), part.dtype)
        filled[: len(part)] = part
        embedding = network.embed(torch.from_numpy(filled).to(device)).cpu().numpy()
        embedding_ND[start : start + chunk] = embedding[: len(part)]
    return embedding_ND


@torch.inference_mode()
def classify(network: Backbone, embedding_ND: Array) -> Array:
    """(N, D) embeddings to (N, K) probabilities, float32."""
    device = next(network.parameters()).device
    prob_NK: Array = network.classify(torch.tensor(embedding_ND, device=device)).cpu().numpy()
    return prob_NK


class PublishedExtractor:
    """A backbone whose weights are downloaded from a hub, or come from a file.

    Subclasses define the network, its input, and its output: `shape` per segment.

    Args:
        device: where to run, as PyTorch names it.
        sampling: how files are cut into segments.
        precision: the number format to compute in.
        weights: a file instead of the hub's, or `RandomWeights()`.

    Raises:
        UserError: if the weights cannot be had, or do not fit.
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
        shape, dtype, what = self._expected()
        if segments.shape[1:] != shape or segments.dtype != dtype:
            raise UserError(
                f"{self.name} takes (N, {', '.join(map(str, shape))}) {np.dtype(dtype)}: {what}; "
                f"got {segments.shape} {segments.dtype}"
            )
        flat = embed_in_chunks(self.network, segments, dim=prod(self.shape), chunk=self.chunk)
        return flat.reshape(-1, *self.shape)

    def _expected(self) -> tuple[tuple[int, ...], type, str]:
        if self.modality == Modality.AUDIO:
            return (SAMPLE_RATE,), np.float32, "seconds of mono sound at 16 kHz within -1..1"
        width, height = self.frame_size
        shape = (self.frames_per_segment, height, width, 3)
        return shape, np.uint8, f"{self.frames_per_segment} RGB pictures per second"


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

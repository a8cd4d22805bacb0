"""What the extractors of the published features of LLP and AVE have in common."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmpyramid.backbones.backbone import Backbone, embed_in_chunks, freeze
from mmpyramid.backbones.logmel import SAMPLE_RATE
from mmpyramid.backbones.precision import Precision
from mmpyramid.backbones.pretrained import Weights, make_network
from mmpyramid.backbones.weights import Url
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling


class PublishedExtractor:
    """A backbone whose weights are downloaded from a hub, or come from a file.

    Subclasses say which network, what it wants to see, and what comes out: `shape` per segment.

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

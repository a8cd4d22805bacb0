"""What the extractors that run a frozen PyTorch network have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmpyramid.backbones.logmel import LogMel
from mmpyramid.backbones.precision import Precision
from mmpyramid.core import Array


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

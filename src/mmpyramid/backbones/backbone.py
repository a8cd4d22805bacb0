"""A frozen network in PyTorch that embeds segments, and how it is run."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.logmel import LogMel
from mmpyramid.core import Array
from mmpyramid.core.device import use_float32


class Backbone(nn.Module):
    """A frozen network.

    Attributes:
        memory_format: in which layout it convolves fastest.
    """

    memory_format = torch.channels_last

    def embed(self, segments: Tensor) -> Tensor:
        """N segments as an `Extractor` takes them to (N, D) float32."""
        raise NotImplementedError

    def forward(self, segments: Tensor) -> Tensor:
        """The same as `embed`."""
        return self.embed(segments)


def freeze(network: Backbone, device: str, precision: Precision = Precision.FLOAT32) -> Backbone:
    """Move a network to `device` for inference, in the memory layout that convolves fastest.

    All its parts but the front end compute in `precision`; its own buffers stay as they are.
    Float32 is exact on a GPU as well, see `use_float32`.
    """
    use_float32()
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

    A GPU is waited for once, at the end: chunks are copied to it from pinned memory while it works
    on those before.

    Args:
        network: on any device, in any precision.
        segments: (N, ...) as its `embed` takes them.
        dim: width of an embedding.
        chunk: segments at once.
    """
    device = next(network.parameters()).device
    dtype = torch.from_numpy(segments[:0].copy()).dtype
    embedding_ND = torch.empty(len(segments), dim, device=device)
    for start in range(0, len(segments), chunk):
        part = segments[start : start + chunk]
        shape = (chunk, *part.shape[1:])
        filled = torch.zeros(shape, dtype=dtype, pin_memory=device.type == "cuda")
        filled.numpy()[: len(part)] = part
        embedded_ND = network.embed(filled.to(device, non_blocking=True))
        embedding_ND[start : start + chunk] = embedded_ND[: len(part)]
    embedding: Array = embedding_ND.cpu().numpy()
    return embedding

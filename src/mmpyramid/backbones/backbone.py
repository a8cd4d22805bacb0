"""A frozen network that embeds segments, how it is run, and the convolutions of the open ones."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.logmel import LogMel
from mmpyramid.core import Array
from mmpyramid.core.device import use_float32


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


@torch.inference_mode()
def classify(network: Backbone, embedding_ND: Array) -> Array:
    """(N, D) embeddings to (N, K) probabilities, float32."""
    device = next(network.parameters()).device
    prob_NK: Array = network.classify(torch.tensor(embedding_ND, device=device)).cpu().numpy()
    return prob_NK


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis so that ceil(size / stride) outputs result.

    TensorFlow's rule "SAME": an odd number of zeros puts the larger half behind, which a PyTorch
    convolution's own symmetric padding cannot do.

    Example:
        >>> same_padding(224, kernel=3, stride=2), same_padding(7, kernel=3, stride=2)
        ((0, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A square convolution with bias and TensorFlow's "SAME" padding.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: width of the kernel.
        stride: step in both directions.
        groups: equal to the number of channels for a depthwise convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel, stride, padding, groups=groups)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1:
            height, width = x_NCHW.shape[-2:]
            columns, rows = (same_padding(size, kernel, stride) for size in (width, height))
            x_NCHW = functional.pad(x_NCHW, (*columns, *rows))
        return super().forward(x_NCHW)


@torch.no_grad()
def load_folded(
    conv: nn.Conv2d,
    *,
    kernel: Tensor,
    mean: Tensor,
    variance: Tensor,
    beta: Tensor,
    gamma: Tensor | None = None,
    eps: float,
) -> None:
    """Fill `conv` with a kernel and the frozen batch norm that follows it.

    gamma (W * x - mean) / sqrt(variance + eps) + beta is a convolution again; folding it in float64
    saves a pass over every activation and changes results by float32 rounding only.

    Args:
        conv: the convolution to fill; it has a bias.
        kernel: (out, in / groups, height, width).
        mean: (out,) running mean of the batch norm.
        variance: (out,) running variance.
        beta: (out,) shift.
        gamma: (out,) scale; none means 1.
        eps: the batch norm's epsilon.
    """
    scale = torch.rsqrt(variance.double() + eps) * (1.0 if gamma is None else gamma.double())
    if conv.weight.shape != kernel.shape or conv.bias is None:
        raise ValueError(f"expected a kernel {tuple(conv.weight.shape)}, got {tuple(kernel.shape)}")
    conv.weight.copy_(kernel.double() * scale[:, None, None, None])
    conv.bias.copy_(beta.double() - mean.double() * scale)

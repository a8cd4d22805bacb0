"""Dropout whose random numbers cost next to nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

RESOLUTION = 2**16


class Dropout(nn.Module):
    """`torch.nn.Dropout` with cheaper masks on a CPU, see `dropout_mask`."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Zero each element with probability `p` in training, and scale the others."""
        return x * dropout_mask(x, self.p) if self.training and self.p else x

    def extra_repr(self) -> str:
        """The probability, for printed networks."""
        return f"p={self.p}"


def dropout_mask(like: Tensor, p: float) -> Tensor:
    """0 with probability `p`, else the factor that keeps the mean, for every element.

    PyTorch draws one number of full precision after the other. Here 16 random bits decide, four
    elements for each number drawn; `p` is rounded to the nearest of 65536 steps.

    Args:
        like: gives shape, type and device.
        p: 0..1.

    Example:
        >>> mask = dropout_mask(torch.empty(1000), 0.5)
        >>> sorted(set(mask.tolist()))
        [0.0, 2.0]
    """
    dropped = round(p * RESOLUTION)
    if like.device.type != "cpu" or dropped in (0, RESOLUTION):
        return torch.nn.functional.dropout(torch.ones_like(like), p)
    drawn = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[: like.numel()].view(like.shape)
    mask = torch.empty(like.shape, dtype=like.dtype)
    torch.ge(bits, dropped - RESOLUTION // 2, out=mask)
    return mask.mul_(RESOLUTION / (RESOLUTION - dropped))

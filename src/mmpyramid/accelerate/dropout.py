"""Dropout whose random numbers cost next to nothing on a CPU.

PyTorch draws one number of full precision for every element, one after the other in one thread,
which takes a tenth of a training step of MM-Pyramid. Here 16 random bits decide.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RESOLUTION = 2**16


class CheapDropout(nn.Dropout):
    """`torch.nn.Dropout` with the masks of `dropout_mask` on a CPU."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that PyTorch gives it
        """Zero each element with probability `p` in training, and scale the others."""
        elsewhere = input.device.type != "cpu" or torch.compiler.is_compiling()
        if elsewhere or self.inplace or not self.training:
            return super().forward(input)
        return input * dropout_mask(input, self.p)


def accelerate(network: nn.Module) -> None:
    """Let every dropout layer of a network draw cheap masks wherever it computes on a CPU.

    Layers change their class and nothing else: parameters, names, checkpoints and the device stay
    what they are. On another device, and in a compiled graph, they are PyTorch's own.

    Args:
        network: changed in place.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1))
        >>> accelerate(network)
        >>> network[1]
        CheapDropout(p=0.1, inplace=False)
    """
    for module in network.modules():
        if type(module) is nn.Dropout:
            module.__class__ = CheapDropout


def dropout_mask(like: Tensor, p: float) -> Tensor:
    """0 with probability `p`, else the factor that keeps the mean, for every element.

    Four elements share each number drawn; `p` is rounded to the nearest of 65536 steps.

    Args:
        like: on a CPU; gives shape and type.
        p: 0..1.

    Example:
        >>> mask = dropout_mask(torch.empty(1000), 0.5)
        >>> sorted(set(mask.tolist()))
        [0.0, 2.0]
    """
    dropped = round(p * RESOLUTION)
    if dropped in (0, RESOLUTION):
        return F.dropout(torch.ones_like(like), p)
    drawn = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[: like.numel()].view(like.shape)
    mask = torch.empty(like.shape, dtype=like.dtype)
    torch.ge(bits, dropped - RESOLUTION // 2, out=mask)
    return mask.mul_(RESOLUTION / (RESOLUTION - dropped))

"""Linear layers at the rate of the processor.

Shape letters: N rows, D width of the input, O width of the output.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """`torch.nn.Linear`, the same function and the same tensors; see `linear`.

    Example:
        >>> tuple(Linear(4, 3)(torch.ones(2, 5, 4)).shape)
        (2, 5, 3)
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that PyTorch gives it
        """Give `x W^T + b`, (..., O)."""
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight_OD: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear` in the format of the weight, or of autocast.

    PyTorch gives float32 products to MKL, which keeps to older instructions on AMD's processors:
    there oneDNN, to which PyTorch gives bf16, multiplies more than twice as fast.
    """
    if torch.is_autocast_enabled(x.device.type):
        return F.linear(x, weight_OD, bias_O)
    x = x.to(weight_OD.dtype)
    # A graph that is exported keeps to PyTorch's own operators.
    if torch.compiler.is_compiling() or not _is_for_mkl(x) or not _mkl_is_slow():
        return F.linear(x, weight_OD, bias_O)
    y_NO: Tensor = _OneDNNLinear.apply(x.reshape(-1, x.shape[-1]), weight_OD, bias_O)
    return y_NO.view(*x.shape[:-1], len(weight_OD))


class _OneDNNLinear(torch.autograd.Function):
    """`linear` of float32 rows with its gradients, each one product of oneDNN."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, weight_OD: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_ND, weight_OD)
        return _multiply(x_ND, weight_OD, bias_O)

    @staticmethod
    def backward(ctx: Any, grad_NO: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, weight_OD = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            _multiply(grad_NO, weight_OD.t()) if needs_x else None,
            _multiply(grad_NO.t(), x_ND.t()) if needs_weight else None,
            grad_NO.sum(0) if needs_bias else None,
        )


def _multiply(x_ND: Tensor, weight_OD: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """`x W^T + b`, by the operator that PyTorch registers for its compiler."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x_ND, weight_OD, bias_O, "none", [], "")
    return product


def _is_for_mkl(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and x.numel() > 0


@cache
def _mkl_is_slow() -> bool:
    """Whether this is a processor of AMD's with a PyTorch that has both libraries."""
    has_mkl = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    if not has_mkl or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    described = Path("/proc/cpuinfo")
    processor = described.read_text(encoding="utf-8") if described.is_file() else ""
    return "AuthenticAMD" in processor + platform.processor()

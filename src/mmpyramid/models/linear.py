"""Linear layers at the rate of the processor.

Shape letters: N rows, D width of the input, O width of the output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """`torch.nn.Linear`, the same function and the same tensors, multiplied by oneDNN on a CPU.

    PyTorch gives float32 products to MKL, which keeps to older instructions on processors that are
    not Intel's; oneDNN is more than twice as fast there, and not slower elsewhere.

    Example:
        >>> tuple(Linear(4, 3)(torch.ones(2, 5, 4)).shape)
        (2, 5, 3)
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that PyTorch gives it
        """Give `x W^T + b`, (..., O)."""
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight_OD: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`; under autocast in its format, weights cast once per call."""
    if not _goes_to_onednn(x):
        return F.linear(x, weight_OD, bias_O)
    autocast = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if autocast else weight_OD.dtype
    x_ND = x.reshape(-1, x.shape[-1])
    if torch.is_grad_enabled():
        y_NO: Tensor = _Linear.apply(x_ND, weight_OD, bias_O, dtype)
    else:
        cast_bias_O = None if bias_O is None else bias_O.to(dtype)
        y_NO = _multiply(x_ND.to(dtype), weight_OD.to(dtype), cast_bias_O)
    return y_NO.view(*x.shape[:-1], len(weight_OD))


class _Linear(torch.autograd.Function):
    """The function with its gradients, each one product of `_multiply`."""

    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, weight_OD: Tensor, bias_O: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        ctx.input_dtype, ctx.weight_dtype = x_ND.dtype, weight_OD.dtype
        x_ND, weight_OD = x_ND.to(dtype), weight_OD.to(dtype)
        ctx.save_for_backward(x_ND, weight_OD)
        return _multiply(x_ND, weight_OD, None if bias_O is None else bias_O.to(dtype))

    @staticmethod
    def backward(ctx: Any, grad_NO: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, weight_OD = ctx.saved_tensors
        grad_NO = grad_NO.to(x_ND.dtype)
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = _multiply(grad_NO, weight_OD.t()).to(ctx.input_dtype) if needs_x else None
        grad_weight = _multiply(grad_NO.t(), x_ND.t()) if needs_weight else None
        return (
            grad_x,
            None if grad_weight is None else grad_weight.to(ctx.weight_dtype),
            grad_NO.sum(0, dtype=ctx.weight_dtype) if needs_bias else None,
            None,
        )


def _goes_to_onednn(x: Tensor) -> bool:
    """Whether there is a faster way than PyTorch's own; a graph that is exported keeps to that."""
    return x.device.type == "cpu" and x.dtype != torch.float64 and not torch.compiler.is_compiling()


def _multiply(x_ND: Tensor, weight_OD: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """`x W^T + b` by oneDNN, to which PyTorch itself gives bf16."""
    available = hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if x_ND.dtype == torch.float32 and available and x_ND.numel():
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x_ND, weight_OD, bias_O, "none", [], ""
        )
        return product
    with torch.autocast("cpu", enabled=False):
        return F.linear(x_ND, weight_OD, bias_O)

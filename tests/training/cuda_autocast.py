"""What autocast does on a GPU, on any processor: what it computes in float32 there."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, resolve_name

IN_FLOAT32 = {
    *("exp", "log", "log1p", "log2", "log10", "log_softmax", "softmax", "pow", "rsqrt"),
    *("sum", "prod", "cumsum", "norm", "cosine_similarity", "layer_norm", "group_norm"),
    *("binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "nll_loss", "kl_div"),
    *("soft_margin_loss", "cosine_embedding_loss", "__pow__", "__rpow__", "reciprocal"),
}
"""From PyTorch's list of CUDA operators that autocast to float32."""


class CudaAutocast(TorchFunctionMode):
    """Wherever autocast is on, do what it does on CUDA and not on a CPU.

    Operators of `IN_FLOAT32` get float32, and `binary_cross_entropy` is refused.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = (resolve_name(func) or getattr(func, "__name__", "")).rpartition(".")[2]
        if torch.is_autocast_enabled("cpu"):
            if func is F.binary_cross_entropy:
                raise RuntimeError("binary_cross_entropy is unsafe to autocast")
            if name in IN_FLOAT32:
                args = tuple(_widen(value) for value in args)
        return func(*args, **(kwargs or {}))


def _widen(value):
    is_half = isinstance(value, Tensor) and value.dtype == torch.bfloat16
    return value.float() if is_half else value

"""Which number format a machine trains fastest in without losing the result."""

from typing import Literal

import torch

Precision = Literal["32-true", "bf16-mixed"]


def resolve_precision(precision: Precision | Literal["auto"], accelerator: str) -> Precision:
    """Turn `auto` into Lightning's `bf16-mixed` or `32-true`; leave anything else as it is.

    Args:
        precision: `auto`, or one of Lightning's names.
        accelerator: Lightning's accelerator; `auto` takes the GPU if there is one.
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if computes_in_bf16(accelerator) else "32-true"


def computes_in_bf16(accelerator: str) -> bool:
    """Tell whether the hardware multiplies matrices in bf16 natively."""
    if accelerator in {"auto", "gpu", "cuda"} and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))

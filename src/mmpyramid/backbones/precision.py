"""In which number format frozen networks compute."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Precision(StrEnum):
    """The format of weights and activations; features are stored as float32 in any case.

    bfloat16 keeps 8 bits of each number: features differ by about 1 %, and come two to four times
    faster where the hardware knows it.
    """

    AUTO = "auto"
    """bfloat16 where the hardware multiplies in it, else float32."""
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    def resolve(self, device: str) -> Precision:
        """What is meant on `device`, as PyTorch names it: never `AUTO`."""
        if self != Precision.AUTO:
            return self
        return Precision.BFLOAT16 if computes_in_bf16(device) else Precision.FLOAT32

    @property
    def dtype(self) -> torch.dtype:
        """PyTorch's name of a resolved precision."""
        import torch

        return {Precision.FLOAT32: torch.float32, Precision.BFLOAT16: torch.bfloat16}[self]


def computes_in_bf16(device: str) -> bool:
    """Tell whether a device multiplies matrices in bfloat16 natively.

    Each kind of device is asked itself; one that cannot be asked, such as MPS, is taken not to.

    Args:
        device: as PyTorch names it, such as `cpu`, `cuda:1` or `xpu`.
    """
    import torch

    kind = torch.device(device).type
    if kind == "cpu":
        asked = getattr(torch.cpu, "get_capabilities", dict)()
        return any(asked.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "xpu":
        return torch.xpu.is_available() and bool(
            torch.xpu.is_bf16_supported(including_emulation=False)
        )
    return False

"""Which number format a machine trains fastest in without losing the result."""

from typing import Literal

from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator

from mmpyramid.backbones.precision import computes_in_bf16

Precision = Literal["32-true", "bf16-mixed"]


def resolve_precision(precision: Precision | Literal["auto"], accelerator: str) -> Precision:
    """Turn `auto` into `bf16-mixed` where the device computes in bf16, else into `32-true`.

    Args:
        precision: `auto`, or one of Lightning's names, which is left as it is.
        accelerator: Lightning's accelerator; `auto` and `gpu` mean the GPU that Lightning takes.

    Example:
        >>> resolve_precision("32-true", "cuda")
        '32-true'
    """
    if precision != "auto":
        return precision
    if accelerator in {"auto", "gpu"}:
        gpus = {"mps": MPSAccelerator, "cuda": CUDAAccelerator}  # in Lightning's order
        accelerator = next((name for name, kind in gpus.items() if kind.is_available()), "cpu")
    is_asked = accelerator in {"cpu", "cuda", "mps", "xpu"} and computes_in_bf16(accelerator)
    return "bf16-mixed" if is_asked else "32-true"

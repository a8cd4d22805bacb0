"""Which number format a machine trains fastest in without losing the result."""

from typing import Literal

import torch

from mmpyramid.backbones.base import computes_in_bf16

Precision = Literal["32-true", "bf16-mixed"]


def resolve_precision(precision: Precision | Literal["auto"], accelerator: str) -> Precision:
    """Turn `auto` into Lightning's `bf16-mixed` or `32-true`; leave anything else as it is.

    Args:
        precision: `auto`, or one of Lightning's names.
        accelerator: Lightning's accelerator; `auto` takes the GPU if there is one.
    """
    if precision != "auto":
        return precision
    on_gpu = accelerator in {"auto", "gpu", "cuda"} and torch.cuda.is_available()
    return "bf16-mixed" if computes_in_bf16("cuda" if on_gpu else "cpu") else "32-true"

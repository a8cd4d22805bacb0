"""Which processor computes, and in which float32."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

from mmpyramid.core.errors import UserError, extra


def resolve_device(name: str) -> str:
    """The device that a name means, everywhere: `auto` is CUDA where PyTorch can use it, else CPU.

    Others, such as `mps` and `xpu`, are taken by name. From here on float32 is float32, see
    `use_float32`. PyTorch, which takes seconds, is loaded only where the answer may be another than
    the CPU.

    Raises:
        UserError: if PyTorch does not know the device or cannot use it here.
        ModuleNotFoundError: if it is not installed.

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    if name == "auto" and not _may_have_cuda():
        name = "cpu"
    if name == "cpu":
        return name
    with extra("torch", f"the device {name}"):
        import torch
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name).cpu()  # `meta` has no numbers to give back.
    except (RuntimeError, AssertionError) as error:  # The latter: a PyTorch without CUDA.
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--device {name} cannot be used here ({reason}); give auto, cpu, cuda or cuda:1"
        ) from error
    use_float32()
    return name


def _may_have_cuda() -> bool:
    """Whether PyTorch and a driver of NVIDIA or AMD are here, without which it finds no GPU."""
    if find_spec("torch") is None:
        return False
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(library)
    except OSError:
        return Path("/dev/kfd").exists()
    return True


def use_float32(*, tf32: bool = False) -> None:
    """Let CUDA compute float32 in float32: left alone, cuDNN rounds to ten bits (TF32).

    This holds for the whole process, for convolutions, recurrent layers and matrix products.

    Args:
        tf32: round in all of them instead, which is faster.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32

"""Which processor computes, in which number format, and in how many threads."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from mmpyramid.core.errors import UserError, extra

_lock = Lock()
_num_alone = 0
"""How many `one_thread` there are at this moment, in any thread."""
_of_torch = 0
"""How many threads PyTorch took before the first of them; 0 if it was not loaded."""


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


def computes_in_bf16(device: str) -> bool:
    """Tell whether a device multiplies matrices in bfloat16 natively."""
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        is_available = torch.cuda.is_available()
        return is_available and bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "xpu":
        return bool(torch.xpu.is_bf16_supported())
    if kind != "cpu":
        return False  # Apple's GPUs, and others that cannot be asked.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))


def use_threads(number: int) -> None:
    """Compute with so many threads from here on; call it once the networks are loaded.

    Loading PyTorch takes seconds, and parsing does without: it is told only if it was loaded.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(number)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep networks to one thread for a while, whatever other threads begin and end meanwhile.

    Speed comes from processes. The number of threads decides in which order some kernels sum, so it
    must not depend on the machine.
    """
    global _num_alone, _of_torch
    torch = sys.modules.get("torch")
    with _lock:
        if _num_alone == 0:
            _of_torch = torch.get_num_threads() if torch else 0
        _num_alone += 1
        if torch:
            torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _num_alone -= 1
            if _num_alone == 0 and torch and _of_torch:
                torch.set_num_threads(_of_torch)

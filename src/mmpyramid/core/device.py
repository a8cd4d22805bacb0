"""Which processor computes, and in which float32."""

from __future__ import annotations

from mmpyramid.core.errors import UserError


def resolve_device(name: str) -> str:
    """The device that a name means, everywhere: `auto` is CUDA where PyTorch can use it, else CPU.

    Others, such as `mps` and `xpu`, are taken by name. From here on float32 is float32, see
    `use_float32`.

    Raises:
        UserError: if PyTorch does not know the device or cannot use it here.

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # The latter: a PyTorch without CUDA.
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--device {name} cannot be used here ({reason}); give auto, cpu, cuda or cuda:1"
        ) from error
    use_float32()
    return name


def use_float32(*, tf32: bool = False) -> None:
    """Let CUDA compute float32 in float32: left alone, cuDNN rounds to ten bits (TF32).

    This holds for the whole process, for convolutions, recurrent layers and matrix products.

    Args:
        tf32: round in all of them instead, which is faster.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32

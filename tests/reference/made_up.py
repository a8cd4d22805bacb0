"""Tensors of checkpoints, features and labels, filled by a rule that any machine can repeat.

Every number is the top 24 bits of a raw PCG64 draw, scaled: exact in float32 and the same under
every version of numpy and torch. The seed of a tensor is the CRC-32 of its name. README.md tells
the whole procedure.
"""

from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

NUM_SEGMENTS, NUM_CLASSES, WIDTH = 10, 25, 512
NUM_BATCHES, NUM_STEPS = 5, 20

TRAINING_SCALE = 0.4
"""Weights of layers start training this small, near those of fresh ones (0.58).

From larger ones the first step of Adam at 1e-4 makes MM-Pyramid nearly constant, and what it then
learns anew magnifies rounding: its own losses in float32 and float64 part by 2e-3 in 20 steps.
"""

Shapes = dict[str, tuple[int, ...]]


def linear(name: str, num_in: int, num_out: int, *kernel: int) -> Shapes:
    """A weight and a bias; `kernel` makes it a convolution."""
    return {f"{name}.weight": (num_out, num_in, *kernel), f"{name}.bias": (num_out,)}


def norm(name: str) -> Shapes:
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}


def projections_and_heads() -> Shapes:
    """The layers before and after the encoder, the same in all releases."""
    shapes = linear("fc_a", 128, WIDTH) | linear("fc_v", 2048, WIDTH)
    shapes |= linear("fc_st", WIDTH, WIDTH) | linear("fc_fusion", 2 * WIDTH, WIDTH)
    for head in ("fc_prob", "fc_frame_att", "fc_av_att"):
        shapes |= linear(head, WIDTH, NUM_CLASSES)
    return shapes


def uniform(name: str, shape: tuple[int, ...], scale: float = 1.0) -> NDArray[np.float32]:
    """Uniform in [-scale, scale), seeded by the name."""
    raw = np.random.PCG64(crc32(name.encode())).random_raw(int(np.prod(shape)))
    unit_interval = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    return (unit_interval * np.float32(scale)).reshape(shape)


def tensor(name: str, shape: tuple[int, ...], head_gain: float, scale: float) -> torch.Tensor:
    """A tensor of a checkpoint by its kind: a bias, a norm, or the weight of a layer.

    The outputs of a layer have standard deviation `scale`, those of the heads `head_gain * scale`.
    """
    if name.endswith("bias"):
        return torch.from_numpy(uniform(name, shape, 0.2))
    if len(shape) == 1:
        return torch.from_numpy(1 + uniform(name, shape, 0.3))
    is_head = name.startswith(("fc_prob", "fc_frame_att", "fc_av_att"))
    gain = scale * head_gain if is_head else scale
    fan_in = int(np.prod(shape[1:]))
    return torch.from_numpy(uniform(name, shape, gain * (3 / fan_in) ** 0.5))


def inputs(
    name: str = "input", num_videos: int = 2
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """VGGish (B, 10, 128), ResNet-152 (B, 80, 2048) and R(2+1)D-18 (B, 10, 512) of B videos."""
    sizes = {
        "vggish": (NUM_SEGMENTS, 128),
        "resnet152": (8 * NUM_SEGMENTS, 2048),
        "r2plus1d_18": (NUM_SEGMENTS, 512),
    }
    audio, frames, clips = (
        torch.from_numpy(uniform(f"{name}.{stream}", (num_videos, *size), 3**0.5))
        for stream, size in sizes.items()
    )
    return audio, frames, clips


def target(name: str = "input", num_videos: int = 2) -> torch.Tensor:
    """Weak labels (B, 25): each class present with probability 0.2."""
    chance = uniform(f"{name}.target", (num_videos, NUM_CLASSES))
    return torch.from_numpy((chance > 0.6).astype(np.float32))


def batches() -> list[tuple[tuple[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]]:
    """Inputs and labels of the batches that training goes through again and again."""
    names = [f"batch{index}" for index in range(NUM_BATCHES)]
    return [(inputs(name, num_videos=4), target(name, num_videos=4)) for name in names]

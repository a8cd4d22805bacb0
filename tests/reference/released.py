"""The tensors of a released MM-Pyramid checkpoint, filled by a rule that any machine can repeat.

No trained checkpoint was released, so parity is checked on made-up weights. Every number is the
top 24 bits of a raw PCG64 draw, scaled: exact in float32 and the same under every version of numpy
and torch. The seed of a tensor is the CRC-32 of its name. README.md tells the whole procedure.
"""

from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

NUM_VIDEOS, NUM_SEGMENTS, NUM_CLASSES, WIDTH, NUM_UNITS = 2, 10, 25, 512, 4

Shapes = dict[str, tuple[int, ...]]


def linear(name: str, num_in: int, num_out: int, *kernel: int) -> Shapes:
    """A weight and a bias; `kernel` makes it a convolution."""
    return {f"{name}.weight": (num_out, num_in, *kernel), f"{name}.bias": (num_out,)}


def norm(name: str) -> Shapes:
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}


def attention(name: str) -> Shapes:
    shapes = norm(f"{name}.layer_norm")
    for index in range(4):
        shapes |= linear(f"{name}.linears.{index}", WIDTH, WIDTH)
    return shapes


def feed_forward(name: str) -> Shapes:
    return linear(f"{name}.w_1", WIDTH, WIDTH) | linear(f"{name}.w_2", WIDTH, WIDTH)


def transformer_layer(name: str) -> Shapes:
    norms = norm(f"{name}.sublayer.0.norm") | norm(f"{name}.sublayer.1.norm")
    return attention(f"{name}.self_attn") | feed_forward(f"{name}.feed_forward") | norms


def unit(index: int) -> Shapes:
    shapes: Shapes = {}
    for block in ("vsablock", "asablock", "cmablock"):
        shapes |= transformer_layer(f"MMP.capture.msa.{index}.{block}.layer")
    for gate in ("lv1", "lv2", "la1", "la2"):
        shapes |= linear(f"MMP.capture.msa.{index}.{gate}", 2 * WIDTH, WIDTH)
    for network in ("vnetwork", "anetwork"):
        prefix = f"MMP.capture.{network}.{index}"
        for wide, pointwise in (("conv1", "conv2"), ("net.0", "net.2")):
            shapes |= linear(f"{prefix}.{wide}", WIDTH, WIDTH, 3)
            shapes |= linear(f"{prefix}.{pointwise}", WIDTH, WIDTH, 1)
    return shapes


def shapes() -> Shapes:
    """Name and shape of all 394 entries, aliases and never-used templates included."""
    table = linear("fc_a", 128, WIDTH) | linear("fc_v", 2048, WIDTH)
    table |= linear("fc_st", WIDTH, WIDTH) | linear("fc_fusion", 2 * WIDTH, WIDTH)
    for head in ("fc_prob", "fc_frame_att", "fc_av_att"):
        table |= linear(head, WIDTH, NUM_CLASSES)
    for index in range(NUM_UNITS):
        table |= unit(index)
    for part in ("capture", "fusion"):
        table |= attention(f"MMP.{part}.multiheadattn")
        table |= feed_forward(f"MMP.{part}.feedforward")
    for stream in ("v", "a"):
        table |= transformer_layer(f"MMP.fusion.{stream}adaptiveinteraction")
        table |= linear(f"MMP.fusion.{stream}selectfusion", WIDTH, 1)
    return table


def uniform(name: str, shape: tuple[int, ...], scale: float = 1.0) -> NDArray[np.float32]:
    """Uniform in [-scale, scale), seeded by the name."""
    raw = np.random.PCG64(crc32(name.encode())).random_raw(int(np.prod(shape)))
    unit_interval = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    return (unit_interval * np.float32(scale)).reshape(shape)


def gain(name: str) -> float:
    """Standard deviation of a layer's output for inputs of unit variance, set for spread scores."""
    return 0.25 if name.startswith(("fc_prob", "fc_frame_att", "fc_av_att")) else 1.0


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    name = name.replace("net.0", "conv1").replace("net.2", "conv2")
    if name.endswith("bias"):
        return torch.from_numpy(uniform(name, shape, 0.2))
    if len(shape) == 1:
        return torch.from_numpy(1 + uniform(name, shape, 0.3))
    fan_in = int(np.prod(shape[1:]))
    return torch.from_numpy(uniform(name, shape, gain(name) * (3 / fan_in) ** 0.5))


def state_dict() -> dict[str, torch.Tensor]:
    """The checkpoint: 394 float32 tensors."""
    return {name: tensor(name, shape) for name, shape in shapes().items()}


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """VGGish (2, 10, 128), ResNet-152 (2, 80, 2048) and R(2+1)D-18 (2, 10, 512) of two videos."""
    sizes = {
        "vggish": (NUM_SEGMENTS, 128),
        "resnet152": (8 * NUM_SEGMENTS, 2048),
        "r2plus1d_18": (NUM_SEGMENTS, 512),
    }
    audio, frames, clips = (
        torch.from_numpy(uniform(f"input.{name}", (NUM_VIDEOS, *size), 3**0.5))
        for name, size in sizes.items()
    )
    return audio, frames, clips


def target() -> torch.Tensor:
    """Weak labels (2, 25): each class present with probability 0.2."""
    chance = uniform("input.target", (NUM_VIDEOS, NUM_CLASSES))
    return torch.from_numpy((chance > 0.6).astype(np.float32))

"""The tensors of a released MM-Pyramid checkpoint; no trained one was ever released."""

import torch

from reference.made_up import WIDTH, Shapes, linear, norm, projections_and_heads, tensor

NUM_UNITS = 4


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
    table = projections_and_heads()
    for index in range(NUM_UNITS):
        table |= unit(index)
    for part in ("capture", "fusion"):
        table |= attention(f"MMP.{part}.multiheadattn")
        table |= feed_forward(f"MMP.{part}.feedforward")
    for stream in ("v", "a"):
        table |= transformer_layer(f"MMP.fusion.{stream}adaptiveinteraction")
        table |= linear(f"MMP.fusion.{stream}selectfusion", WIDTH, 1)
    return table


def state_dict(scale: float = 1.0) -> dict[str, torch.Tensor]:
    """The checkpoint: 394 float32 tensors; both names of a convolution get the same values."""
    seeds = {n: n.replace("net.0", "conv1").replace("net.2", "conv2") for n in shapes()}
    return {n: tensor(seeds[n], shape, 0.25, scale) for n, shape in shapes().items()}

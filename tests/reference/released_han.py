"""The tensors of released checkpoints of HAN, and of MA, which trains the same network."""

import torch

from reference.made_up import WIDTH, Shapes, linear, norm, projections_and_heads, tensor


def attention(name: str) -> Shapes:
    """Query, key and value in one tensor, as in `torch.nn.MultiheadAttention`."""
    packed = {f"{name}.in_proj_weight": (3 * WIDTH, WIDTH), f"{name}.in_proj_bias": (3 * WIDTH,)}
    return packed | linear(f"{name}.out_proj", WIDTH, WIDTH)


def layer(name: str, *attentions: str) -> Shapes:
    shapes: Shapes = {}
    for each in attentions:
        shapes |= attention(f"{name}.{each}")
    for each in ("linear1", "linear2"):
        shapes |= linear(f"{name}.{each}", WIDTH, WIDTH)
    return shapes | norm(f"{name}.norm1") | norm(f"{name}.norm2")


def shapes_han() -> Shapes:
    """Name and shape of all 74 entries, never-used layers included."""
    table = projections_and_heads()
    for encoder in ("audio_encoder", "visual_encoder", "cmt_encoder"):
        table |= layer(f"{encoder}.layers.0", "self_attn")
    table |= layer("hat_encoder.layers.0", "self_attn", "cm_attn")
    for encoder in ("cmt_encoder", "hat_encoder"):
        table |= norm(f"{encoder}.norm1") | norm(f"{encoder}.norm2")
    return table


def shapes_ma() -> Shapes:
    """Name and shape of all 98 entries: HAN's and four layers that are never used."""
    table = shapes_han() | linear("fc1", 2 * WIDTH, WIDTH // 2) | linear("fc2", WIDTH // 2, 2)
    for name in ("t_att", "t_att2"):
        for each in ("w_qs", "w_ks", "w_vs", "fc"):
            table |= linear(f"{name}.{each}", WIDTH, WIDTH)
        table |= {f"{name}.layer_norm.gamma": (WIDTH,), f"{name}.layer_norm.beta": (WIDTH,)}
    return table


def state_dict_han(scale: float = 1.0) -> dict[str, torch.Tensor]:
    """HAN's checkpoint: 74 float32 tensors."""
    return {n: tensor(n, shape, 1.0, scale) for n, shape in shapes_han().items()}


def state_dict_ma(scale: float = 1.0) -> dict[str, torch.Tensor]:
    """MA's checkpoint: 98 float32 tensors, of which 74 are HAN's."""
    return {n: tensor(n, shape, 1.0, scale) for n, shape in shapes_ma().items()}

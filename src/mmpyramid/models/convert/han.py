"""Official checkpoints of HAN, and of MA's HAN, to ours.

HAN's `MMIL_Net.pt` (github.com/YapengTian/AVVP-ECCV20) is a plain state dict of 74 tensors. 30 of
them take part in the computation (4,569,675 numbers). The others belong to two plain transformers
and a cross-modal one that are never called, and to two final normalizations that are switched off.

MA (Wu & Yang, CVPR 2021) trains the same network with four more layers that are never called:
`t_att`, `t_att2`, `fc1`, `fc2`, 24 tensors. By these names its checkpoints are known; it decides
with a gate for each modality.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmpyramid.models.convert.official import HEADS, PROJECTIONS, rename, weights_and_biases
from mmpyramid.models.han import HANConfig

MODALITY_AWARE = re.compile(r"^(t_att2?|fc[12])\.")
"""Names that only MA's checkpoints hold."""

UNUSED = re.compile(
    rf"^(audio_encoder|visual_encoder|cmt_encoder|hat_encoder\.norm[12])\.|{MODALITY_AWARE.pattern}"
)
"""Names of a released checkpoint that no computation reads."""

LAYER = {
    "self_attn.out_proj": "self_attention.output",
    "cm_attn.out_proj": "cross_attention.output",
    "norm1": "attention_norm",
    "linear1": "feed_forward.0",
    "linear2": "feed_forward.3",
    "norm2": "feed_forward_norm",
}


def convert_han(state_dict: Mapping[str, Tensor]) -> tuple[HANConfig, dict[str, Tensor]]:
    """Rename the tensors of a released HAN or MA checkpoint, and describe the network they make.

    The number of heads leaves no trace in a checkpoint; it is the 1 of the released recipes.

    Args:
        state_dict: what `read_official` gives.

    Returns:
        The config for `HAN`, and the weights for its `load_state_dict`. The gate is `per_modality`
        if the checkpoint is MA's.

    Raises:
        UserError: if a tensor is missing, unknown, or has a shape that the network cannot take.

    Example:
        >>> weights = read_official("MMIL_Net.pt")  # doctest: +SKIP
        >>> config, weights = convert_han(weights)  # doctest: +SKIP
        >>> HAN(config).load_state_dict(weights)  # doctest: +SKIP
        <All keys matched successfully>
    """
    from_ma = any(MODALITY_AWARE.search(name) for name in state_dict)
    config = HANConfig(gate="per_modality" if from_ma else "global")
    return config, rename(state_dict, tensor_names(), UNUSED, config, "HAN")


def tensor_names() -> dict[str, tuple[str, ...]]:
    """Released name to ours, for every tensor that takes part in the computation.

    Query, key and value of an attention are one tensor there and three here.

    Example:
        >>> tensor_names()["hat_encoder.layers.0.cm_attn.in_proj_bias"][1]
        'layer.cross_attention.key.bias'
    """
    theirs = "hat_encoder.layers.0"
    layer = {f"{theirs}.{a}": f"layer.{b}" for a, b in LAYER.items()}
    whole = weights_and_biases(PROJECTIONS | layer | HEADS)
    packed = {
        f"{theirs}.{attention}.in_proj_{kind}": tuple(
            f"layer.{ours}.{part}.{kind}" for part in ("query", "key", "value")
        )
        for attention, ours in (("self_attn", "self_attention"), ("cm_attn", "cross_attention"))
        for kind in ("weight", "bias")
    }
    return {name: (ours,) for name, ours in whole.items()} | packed

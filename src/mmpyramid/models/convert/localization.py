"""Official checkpoints of localization networks to ours: AVEL, DMRN, PSP and CMRAN.

The authors (github.com/YapengTian/AVE-ECCV18) save pickled networks, which are not opened here;
save the `state_dict()` of one with their code first. A+V-att has 27 tensors for either kind of
supervision, DMRN 33, and all of them take part in the computation.

PSP (github.com/jasongief/PSP_CVPR_2021) saves pickled networks, which are not opened here; save the
`state_dict()` of one with the authors' code first. It has 47 tensors, of which 37 take part in the
computation, or 37 and 34 for what PSP calls weak supervision.

CMRAN (github.com/FloretCat/CMRAN) saves a state dict of float64 tensors, 174 of them, for either
kind of supervision. 106 take part in the computation. The others belong to two layers that guide
audio by vision, to the self-attention of the decoders, and to the layers that encoders and decoders
are copied from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mmpyramid.models.baselines.avel import AVELConfig
from mmpyramid.models.baselines.cmran import CMRANConfig
from mmpyramid.models.baselines.psp import PSPConfig
from mmpyramid.models.convert.official import rename
from mmpyramid.models.network import NetworkConfig
from mmpyramid.models.registry import create_model

GUIDED_LSTMS = {
    "affine_audio": "visual_attention.audio",
    "affine_video": "visual_attention.visual",
    "affine_v": "visual_attention.visual_score",
    "affine_g": "visual_attention.audio_score",
    "affine_h": "visual_attention.output",
    "lstm_audio": "audio_lstm",
    "lstm_video": "visual_lstm",
}
"""Released name to ours of what PSP took over from AVEL."""

PSP_LAYERS = {
    "psp.v_L1": "propagation.visual_value.0",
    "psp.v_L2": "propagation.visual_key.0",
    "psp.a_L1": "propagation.audio_key.0",
    "psp.a_L2": "propagation.audio_value.0",
    "psp.layer_norm": "propagation.norm",
    "L1": "hidden",
    "L2": "classifier",
}
for _theirs, _ours in GUIDED_LSTMS.items():
    PSP_LAYERS[f"{'lstm_a_v' if 'lstm' in _theirs else 'attention'}.{_theirs}"] = _ours

PSP_FULL = PSP_LAYERS | {
    "fa": "audio_projection",
    "fv": "visual_projection",
    "psp.v_fc": "propagation.visual_output.0",
    "psp.a_fc": "propagation.audio_output.0",
}
PSP_WEAK = PSP_LAYERS | {"linear_v": "visual_projection", "W3": "weight"}

PSP_UNUSED_FULL = re.compile(r"^(linear_v|[va]_classify|L[34])\.")
PSP_UNUSED_WEAK = re.compile(r"^(temperature$|W[12]\.)")
"""Names of released checkpoints that no computation reads."""


def convert_psp(state_dict: Mapping[str, Tensor]) -> tuple[PSPConfig, dict[str, Tensor]]:
    """Rename the tensors of a released PSP checkpoint, and describe the network they make.

    The threshold leaves no trace in a checkpoint; it is that of the released recipes.

    Args:
        state_dict: what `read_official` gives.

    Returns:
        The config for `PSP`, and the weights for its `load_state_dict`.

    Raises:
        UserError: if a tensor is missing, unknown, or has a shape that the network cannot take.
    """
    if "fa.0.weight" in state_dict:
        config, layers, unused = PSPConfig(), PSP_FULL, PSP_UNUSED_FULL
    else:
        config = PSPConfig(design="weak", threshold=0.095)
        layers, unused = PSP_WEAK, PSP_UNUSED_WEAK
    return config, rename(state_dict, names_by_layer(config, layers), unused, config, "PSP")


AVEL_CONCATENATED = GUIDED_LSTMS | {"L1": "classifier.hidden", "L2": "classifier.output"}
AVEL_RESIDUAL = GUIDED_LSTMS | {
    "U_a": "classifier.fusion.audio",
    "U_v": "classifier.fusion.visual",
    "L2": "classifier.output",
}
NOTHING_UNUSED = re.compile("(?!)")


def convert_avel(state_dict: Mapping[str, Tensor]) -> tuple[AVELConfig, dict[str, Tensor]]:
    """Rename the tensors of a released A+V-att or DMRN checkpoint, and describe the network.

    Args:
        state_dict: what `read_official` gives.

    Returns:
        The config for `AVEL`, and the weights for its `load_state_dict`.

    Raises:
        UserError: if a tensor is missing, unknown, or has a shape that the network cannot take.
    """
    residual = any(name.startswith("U_") for name in state_dict)
    config = AVELConfig(fusion="residual" if residual else "concatenated")
    names = names_by_layer(config, AVEL_RESIDUAL if residual else AVEL_CONCATENATED)
    return config, rename(state_dict, names, NOTHING_UNUSED, config, "AVEL")


CMRAN_UNUSED = re.compile(
    r"affine_video_guided_|\.(en|de)coder_layer\.|decoder\.decoder\.layers\.0\.self_attn\."
)
"""Names of a released checkpoint that no computation reads."""

CMRAN_DECODER = {
    "multihead_attn": "attention",
    "norm1": "attention_norm",
    "linear1": "feed_forward.0",
    "linear2": "feed_forward.3",
    "norm2": "feed_forward_norm",
}
CMRAN_LAYERS = {
    "v_fc": "map_projection.0",
    "spatial_channel_att.affine_video_1": "attention.channel_visual",
    "spatial_channel_att.affine_audio_1": "attention.channel_audio",
    "spatial_channel_att.affine_bottleneck": "attention.channel_bottleneck",
    "spatial_channel_att.affine_v_c_att": "attention.channel",
    "spatial_channel_att.affine_video_2": "attention.spatial_visual",
    "spatial_channel_att.affine_audio_2": "attention.spatial_audio",
    "spatial_channel_att.affine_v_s_att": "attention.spatial",
    "AVInter.video_multihead": "interaction.attention",
    "AVInter.norm1": "interaction.norm",
    "localize_module.classifier": "head.relevance",
    "localize_module.event_classifier": "head.category",
}
for _theirs, _ours in (("audio", "audio"), ("video", "visual")):
    CMRAN_LAYERS[f"{_theirs}_encoder.affine_matrix"] = f"{_ours}_encoder.projection"
    CMRAN_LAYERS[f"{_theirs}_encoder.encoder"] = f"{_ours}_encoder.encoder"
    CMRAN_LAYERS[f"{_theirs}_decoder.affine_matrix"] = f"{_ours}_decoder.projection"
    for _part, _name in CMRAN_DECODER.items():
        CMRAN_LAYERS[f"{_theirs}_decoder.decoder.layers.0.{_part}"] = f"{_ours}_decoder.{_name}"


def convert_cmran(state_dict: Mapping[str, Tensor]) -> tuple[CMRANConfig, dict[str, Tensor]]:
    """Rename the tensors of a released CMRAN checkpoint, and describe the network they make.

    Weak supervision is known by its category for the background. The number of heads leaves no
    trace in a checkpoint; it is that of the released recipes.

    Args:
        state_dict: what `read_official` gives.

    Returns:
        The config for `CMRAN`, and the weights for its `load_state_dict`.

    Raises:
        UserError: if a tensor is missing, unknown, or has a shape that the network cannot take.
    """
    config = CMRANConfig()
    bias = state_dict.get("localize_module.event_classifier.bias")
    if bias is not None and len(bias) == len(config.labels) + 1:
        config = CMRANConfig(head="fused", interaction_heads=2)
    names = names_by_layer(config, CMRAN_LAYERS)
    return config, rename(state_dict, names, CMRAN_UNUSED, config, "CMRAN")


def names_by_layer(config: NetworkConfig, layers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Released name to ours for every tensor of a network.

    Args:
        config: describes our network.
        layers: released name to ours of modules whose tensors have the same names in both.

    Returns:
        What `rename` takes.
    """
    with torch.device("meta"):
        tensors = create_model(config).state_dict()
    found: dict[str, tuple[str, ...]] = {
        name.replace(ours, theirs, 1): (name,)
        for theirs, ours in layers.items()
        for name in tensors
        if name.startswith(f"{ours}.")
    }
    assert len(found) == len(tensors), tensors.keys() - {
        name for names in found.values() for name in names
    }
    return found

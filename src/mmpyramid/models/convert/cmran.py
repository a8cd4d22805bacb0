"""Official checkpoints of CMRAN to ours.

CMRAN (github.com/FloretCat/CMRAN) saves a state dict of float64 tensors, 174 of them, for either
kind of supervision. 106 take part in the computation. The others belong to two layers that guide
audio by vision, to the self-attention of the decoders, and to the layers that encoders and decoders
are copied from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmpyramid.models.baselines.cmran import CMRANConfig
from mmpyramid.models.convert.layers import names_by_layer
from mmpyramid.models.convert.official import rename

UNUSED = re.compile(
    r"affine_video_guided_|\.(en|de)coder_layer\.|decoder\.decoder\.layers\.0\.self_attn\."
)
"""Names of a released checkpoint that no computation reads."""

DECODER = {
    "multihead_attn": "attention",
    "norm1": "attention_norm",
    "linear1": "feed_forward.0",
    "linear2": "feed_forward.3",
    "norm2": "feed_forward_norm",
}
LAYERS = {
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
    LAYERS[f"{_theirs}_encoder.affine_matrix"] = f"{_ours}_encoder.projection"
    LAYERS[f"{_theirs}_encoder.encoder"] = f"{_ours}_encoder.encoder"
    LAYERS[f"{_theirs}_decoder.affine_matrix"] = f"{_ours}_decoder.projection"
    for _part, _name in DECODER.items():
        LAYERS[f"{_theirs}_decoder.decoder.layers.0.{_part}"] = f"{_ours}_decoder.{_name}"


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
    return config, rename(state_dict, names_by_layer(config, LAYERS), UNUSED, config, "CMRAN")

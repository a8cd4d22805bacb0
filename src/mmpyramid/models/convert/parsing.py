"""Official checkpoints of parsing networks to ours: MM-Pyramid, HAN, and MA's HAN.

The authors' `MM_Pyramid.pt` is a plain state dict of 394 tensors. 306 of them take part in the
computation (40,827,469 numbers) and are renamed here, value for value. The others are dropped: 32
are second names of the convolutions (`net.0`, `net.2`), 56 belong to layers that are never called
(the template attention and feed-forward parts, and the layer normalization inside each attention).

**What `swap_streams` means.** The released network stacks its two fused streams as (visual, audio),
while its loss and its evaluation read index 0 as audio and index 1 as visual, so the stream whose
residual path carries the visual features is scored against the audible events. Nothing in training
contradicts this, because both streams learn from the same video-level labels, except that the
label smoothing meant for the visual stream went to the audio stream. The choice changes no weight:

- `swap_streams=False` puts the streams right: what we call audio comes from the audio stream. The
  numbers are those of the release with audio and visual exchanged (its `v_prob` is our audio,
  its `a_prob` our visual); the video-level probability is the same.
- `swap_streams=True` repeats the release: what we call audio is computed by the visual stream. Take
  it to reproduce numbers that the released code printed.

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

from mmpyramid.models.convert.official import rename
from mmpyramid.models.han import HANConfig
from mmpyramid.models.mm_pyramid import MMPyramidConfig, PyramidConfig

PROJECTIONS = {
    "fc_a": "audio_projection.projections.vggish",
    "fc_v": "visual_projection.projections.resnet152",
    "fc_st": "visual_projection.projections.r2plus1d_18",
    "fc_fusion": "visual_projection.fusion",
}
"""Released name to ours of the layers before the encoder."""
HEADS = {
    "fc_prob": "head.probability",
    "fc_frame_att": "head.time_attention",
    "fc_av_att": "head.modality_attention",
}
"""Released name to ours of the layers after the encoder."""

UNUSED_MM_PYRAMID = re.compile(
    r"MMP\.(capture|fusion)\.(multiheadattn|feedforward)\.|\.self_attn\.layer_norm\.|network\.\d+\.net\."
)
"""Names of a released checkpoint that no computation reads, or that name a tensor again."""

TRANSFORMER_LAYER = {
    "self_attn.linears.0": "attention.query",
    "self_attn.linears.1": "attention.key",
    "self_attn.linears.2": "attention.value",
    "self_attn.linears.3": "attention.output",
    "feed_forward.w_1": "feed_forward.0",
    "feed_forward.w_2": "feed_forward.3",
    "sublayer.0.norm": "attention_norm",
    "sublayer.1.norm": "feed_forward_norm",
}


def convert_mm_pyramid(
    state_dict: Mapping[str, Tensor], *, swap_streams: bool = False
) -> tuple[MMPyramidConfig, dict[str, Tensor]]:
    """Rename the tensors of a released checkpoint, and describe the network that they make.

    The number of units is read from the names. The number of heads leaves no trace in a checkpoint;
    it is the 8 of the released recipe.

    Args:
        state_dict: what `read_official` gives.
        swap_streams: repeat the released code's exchange of the two streams; see the module's text.

    Returns:
        The config for `MMPyramid`, and the weights for its `load_state_dict`.

    Raises:
        UserError: if a tensor is missing, unknown, or has a shape that the network cannot take.

    Example:
        >>> weights = read_official("MM_Pyramid.pt")  # doctest: +SKIP
        >>> config, weights = convert_mm_pyramid(weights)  # doctest: +SKIP
        >>> MMPyramid(config).load_state_dict(weights)  # doctest: +SKIP
        <All keys matched successfully>
    """
    num_units = sum(
        re.fullmatch(r"MMP\.capture\.msa\.\d+\.lv1\.weight", name) is not None
        for name in state_dict
    )
    windows = tuple(2**unit for unit in range(max(1, num_units)))
    config = MMPyramidConfig(pyramid=PyramidConfig(windows=windows), swap_streams=swap_streams)
    names = {theirs: (ours,) for theirs, ours in mm_pyramid_names(len(windows)).items()}
    return config, rename(state_dict, names, UNUSED_MM_PYRAMID, config, "MM-Pyramid")


def mm_pyramid_names(num_units: int) -> dict[str, str]:
    """Released name to ours, for every tensor that takes part in the computation.

    Example:
        >>> mm_pyramid_names(num_units=4)["MMP.fusion.vselectfusion.bias"]
        'encoder.visual_fusion.selection.bias'
    """
    modules = PROJECTIONS | HEADS
    for unit in range(num_units):
        modules |= _unit_names(unit)
    for letter, modality in (("v", "visual"), ("a", "audio")):
        fusion = f"encoder.{modality}_fusion"
        modules |= _layer_names(
            f"MMP.fusion.{letter}adaptiveinteraction", f"{fusion}.unit_attention"
        )
        modules[f"MMP.fusion.{letter}selectfusion"] = f"{fusion}.selection"
    return weights_and_biases(modules)


def _unit_names(unit: int) -> dict[str, str]:
    theirs, ours = f"MMP.capture.msa.{unit}", f"encoder.pyramid.units.{unit}"
    modules = _layer_names(f"{theirs}.cmablock.layer", f"{ours}.cross_attention")
    for letter, modality in (("v", "visual"), ("a", "audio")):
        modules |= _layer_names(f"{theirs}.{letter}sablock.layer", f"{ours}.{modality}_attention")
        modules[f"{theirs}.l{letter}1"] = f"{ours}.{modality}_gate.self_gate"
        modules[f"{theirs}.l{letter}2"] = f"{ours}.{modality}_gate.cross_gate"
        block = f"MMP.capture.{letter}network.{unit}"
        modules[f"{block}.conv1"] = f"{ours}.{modality}_block.dilated"
        modules[f"{block}.conv2"] = f"{ours}.{modality}_block.pointwise"
    return modules


def _layer_names(theirs: str, ours: str) -> dict[str, str]:
    return {f"{theirs}.{a}": f"{ours}.{b}" for a, b in TRANSFORMER_LAYER.items()}


MODALITY_AWARE = re.compile(r"^(t_att2?|fc[12])\.")
"""Names that only MA's checkpoints hold."""

UNUSED_HAN = re.compile(
    rf"^(audio_encoder|visual_encoder|cmt_encoder|hat_encoder\.norm[12])\.|{MODALITY_AWARE.pattern}"
)
"""Names of a released checkpoint that no computation reads."""

HAN_LAYER = {
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
    return config, rename(state_dict, han_names(), UNUSED_HAN, config, "HAN")


def han_names() -> dict[str, tuple[str, ...]]:
    """Released name to ours, for every tensor that takes part in the computation.

    Query, key and value of an attention are one tensor there and three here.

    Example:
        >>> han_names()["hat_encoder.layers.0.cm_attn.in_proj_bias"][1]
        'layer.cross_attention.key.bias'
    """
    theirs = "hat_encoder.layers.0"
    layer = {f"{theirs}.{a}": f"layer.{b}" for a, b in HAN_LAYER.items()}
    whole = weights_and_biases(PROJECTIONS | layer | HEADS)
    packed = {
        f"{theirs}.{attention}.in_proj_{kind}": tuple(
            f"layer.{ours}.{part}.{kind}" for part in ("query", "key", "value")
        )
        for attention, ours in (("self_attn", "self_attention"), ("cm_attn", "cross_attention"))
        for kind in ("weight", "bias")
    }
    return {name: (ours,) for name, ours in whole.items()} | packed


def weights_and_biases(modules: Mapping[str, str]) -> dict[str, str]:
    """Released name to ours of tensors, from those of the layers that hold them.

    Example:
        >>> weights_and_biases({"fc_a": "audio"})
        {'fc_a.weight': 'audio.weight', 'fc_a.bias': 'audio.bias'}
    """
    return {
        f"{theirs}.{kind}": f"{ours}.{kind}"
        for theirs, ours in modules.items()
        for kind in ("weight", "bias")
    }

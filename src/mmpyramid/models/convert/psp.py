"""Official checkpoints of PSP to ours.

PSP (github.com/jasongief/PSP_CVPR_2021) saves pickled networks, which are not opened here; save the
`state_dict()` of one with the authors' code first. It has 47 tensors, of which 37 take part in the
computation, or 37 and 34 for what PSP calls weak supervision.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmpyramid.models.baselines.psp import PSPConfig
from mmpyramid.models.convert.layers import names_by_layer
from mmpyramid.models.convert.official import rename

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

LAYERS = {
    "psp.v_L1": "propagation.visual_value.0",
    "psp.v_L2": "propagation.visual_key.0",
    "psp.a_L1": "propagation.audio_key.0",
    "psp.a_L2": "propagation.audio_value.0",
    "psp.layer_norm": "propagation.norm",
    "L1": "hidden",
    "L2": "classifier",
}
for _theirs, _ours in GUIDED_LSTMS.items():
    LAYERS[f"{'lstm_a_v' if 'lstm' in _theirs else 'attention'}.{_theirs}"] = _ours

FULL = LAYERS | {
    "fa": "audio_projection",
    "fv": "visual_projection",
    "psp.v_fc": "propagation.visual_output.0",
    "psp.a_fc": "propagation.audio_output.0",
}
WEAK = LAYERS | {"linear_v": "visual_projection", "W3": "weight"}

UNUSED_FULL = re.compile(r"^(linear_v|[va]_classify|L[34])\.")
UNUSED_WEAK = re.compile(r"^(temperature$|W[12]\.)")
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
        config, layers, unused = PSPConfig(), FULL, UNUSED_FULL
    else:
        config, layers, unused = PSPConfig(design="weak", threshold=0.095), WEAK, UNUSED_WEAK
    return config, rename(state_dict, names_by_layer(config, layers), unused, config, "PSP")

"""Official checkpoints of AVEL and DMRN to ours.

The authors (github.com/YapengTian/AVE-ECCV18) save pickled networks, which are not opened here;
save the `state_dict()` of one with their code first. A+V-att has 27 tensors for either kind of
supervision, DMRN 33, and all of them take part in the computation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmpyramid.models.baselines.avel import AVELConfig
from mmpyramid.models.convert.layers import names_by_layer
from mmpyramid.models.convert.official import rename
from mmpyramid.models.convert.psp import GUIDED_LSTMS

CONCATENATED = GUIDED_LSTMS | {"L1": "classifier.hidden", "L2": "classifier.output"}
RESIDUAL = GUIDED_LSTMS | {
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
    names = names_by_layer(config, RESIDUAL if residual else CONCATENATED)
    return config, rename(state_dict, names, NOTHING_UNUSED, config, "AVEL")

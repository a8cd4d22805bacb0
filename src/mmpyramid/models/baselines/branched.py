"""Networks of event localization as parsers: a branch for what is heard, seen, and both.

The authors of HAN gave AVEL and AVSDN "additional audio and visual parsing branches" for LLP and
released no code for them; what is here is a reconstruction from these words. Each branch classifies
its segments, and its video takes the maximum over time, as both networks do under weak supervision.

Shape letters: B batch, T segments, M modalities (audio, visual), D width of one modality,
J width of joint features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.outputs import Pooled
from mmpyramid.models.parsing import ParsingConfig


@dataclass(kw_only=True, slots=True)
class BranchedConfig(ParsingConfig):
    """A network with three branches.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str]

    width: int = 256
    """D, what both directions of an LSTM give together."""
    input_width: int = 512
    """Width of the projected visual streams."""
    head_width: int = 64
    """Hidden width of each branch."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        if self.width % 2:
            raise UserError(f"both directions share the width; it should be even, got {self.width}")


class BranchedHead(nn.Module):
    """Classify what is heard, what is seen and both; a video takes the maximum over time.

    Args:
        width: D.
        joint_width: J.
        hidden_width: of each branch.
        num_classes: C.
    """

    def __init__(self, width: int, joint_width: int, hidden_width: int, num_classes: int) -> None:
        super().__init__()
        self.width = width

        def branch(input_width: int) -> nn.Sequential:
            hidden, output = (
                nn.Linear(input_width, hidden_width),
                nn.Linear(hidden_width, num_classes),
            )
            for layer in (hidden, output):
                nn.init.xavier_uniform_(layer.weight)
            return nn.Sequential(nn.ReLU(), hidden, nn.ReLU(), output)

        self.audio, self.visual, self.joint = branch(width), branch(width), branch(joint_width)

    def joint_features(self, x_BTMD: Tensor) -> Tensor:
        """What the joint branch reads (B, T, J): both modalities side by side."""
        return x_BTMD.flatten(2)

    def forward(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Pool; autocast stops here, for the losses take logarithms."""
        with torch.autocast(x_BTMD.device.type, enabled=False):
            x_BTMD = x_BTMD.to(torch.promote_types(x_BTMD.dtype, torch.float32))
            own_BTMD = x_BTMD[..., : self.width]
            branches = self.audio(own_BTMD[:, :, 0]), self.visual(own_BTMD[:, :, 1])
            prob_BTMC = torch.sigmoid(torch.stack(branches, dim=2)) * present_BM[:, None, :, None]
            joint_BTC = torch.sigmoid(self.joint(self.joint_features(x_BTMD)))
        exists_BTO = mask_BT[..., None]
        stream_BMC = (prob_BTMC * exists_BTO[..., None]).amax(1)
        return Pooled(prob_BTMC, stream_BMC, (joint_BTC * exists_BTO).amax(1))

"""CMCS, completeness modeling and context separation (Liu, Jiang, Wang, CVPR 2019), sees only.

Follows the released network (github.com/Finspire13/CMCS-Temporal-Action-Localization). Its use on
LLP is a reconstruction: labels are many, so that a sigmoid stands where the release has a softmax
over classes; without optical flow there are no static clips to learn a context class from. The
numbers of Table 2 come from the authors of HAN, who released no code for them.

Shape letters: B batch, T segments, D width, C classes, K branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import MASKED
from mmpyramid.models.baselines.parts import VISUAL, OneSidedHead, OneSidedNetwork
from mmpyramid.models.parsing import ParsingConfig
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class CMCSConfig(ParsingConfig):
    """The network; the defaults are what its authors released.

    One audio stream has to be named, and is not read.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "cmcs"

    width: int = 32
    """D of the features that all branches share."""
    branch_width: int = 16
    """Hidden width of branches and attention."""
    num_branches: int = 4
    """K, classifiers that are to find different parts of an event."""
    dropout: float = 0.5
    """Share of the channels of the features that are dropped from a whole video."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        if self.num_branches < 2:
            raise UserError(
                f"num_branches should be at least 2, which are compared, got {self.num_branches}"
            )


class BranchPooling(OneSidedHead):
    """The mean score of the branches, pooled by attention that sums to 1 over time."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(VISUAL)
        self.num_classes = num_classes

    def pool_side(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Pool scores, then make them probabilities."""
        score_BTC = split_branches(x_BTD, self.num_classes).mean(2)
        weight_BT = x_BTD[..., -1].masked_fill(~mask_BT, MASKED).softmax(-1)
        pooled_BC = (weight_BT[..., None] * score_BTC).sum(1)
        return torch.sigmoid(score_BTC), torch.sigmoid(pooled_BC)


def split_branches(x_BTD: Tensor, num_classes: int) -> Tensor:
    """The scores of the branches (B, T, K, C), from what the head reads.

    Example:
        >>> tuple(split_branches(torch.ones(2, 5, 13), 3).shape)
        (2, 5, 4, 3)
    """
    return x_BTD[..., :-1].reshape(*x_BTD.shape[:-1], -1, num_classes)


class TemporalConvolution(nn.Module):
    """A convolution over time and a linear layer."""

    def __init__(self, config: CMCSConfig, num_outputs: int, kernel: int, *, bias: bool) -> None:
        super().__init__()
        hidden_width = config.branch_width
        self.convolution = nn.Conv1d(config.width, hidden_width, kernel, padding=kernel // 2)
        self.output = nn.Linear(hidden_width, num_outputs, bias)

    def forward(self, x_BDT: Tensor) -> Tensor:
        """Give (B, T, outputs)."""
        out: Tensor = self.output(self.convolution(x_BDT).relu().mT)
        return out


@register
class CMCS(OneSidedNetwork):
    """Parallel classifiers of visual features, which their objective makes different.

    Args:
        config: the architecture.

    Example:
        >>> config = CMCSConfig(audio_streams={"a": 4}, visual_streams={"v": 6})
        >>> pooled = CMCS(config)({"a": torch.ones(2, 7, 4), "v": torch.ones(2, 7, 6)})
        >>> pooled.prob_BTMC.amax((0, 1, 3)).gt(0).tolist()
        [False, True]
    """

    side = VISUAL
    notes = ("the network sees only: nothing is ever heard",)
    config_class = CMCSConfig
    config: CMCSConfig

    def __init__(self, config: CMCSConfig | None = None) -> None:
        super().__init__(config := config or CMCSConfig())
        self.dropout = nn.Dropout1d(config.dropout)
        self.base = nn.Conv1d(self.input_width, config.width, 1)
        self.branches = nn.ModuleList(
            TemporalConvolution(config, len(config.labels), kernel=3, bias=True)
            for _ in range(config.num_branches)
        )
        # The softmax over time would not see a bias.
        self.attention = TemporalConvolution(config, 1, kernel=1, bias=False)

    def make_head(self) -> BranchPooling:
        """The mean of the branches."""
        return BranchPooling(len(self.config.labels))

    def encode_side(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """The scores of all branches side by side, and the attention's logit in the last column."""
        x_BDT = self.base(self.dropout(x_BTD.mT)).relu() * mask_BT[:, None]
        return torch.cat([part(x_BDT) for part in (*self.branches, self.attention)], dim=-1)

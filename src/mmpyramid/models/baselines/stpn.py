"""STPN, the sparse temporal pooling network (Nguyen et al., CVPR 2018), which sees only.

A reconstruction: its authors released no code, and those of HAN, from whom the numbers of Table 2
come, none for its use on LLP. Attention, its sparsity and the weighted activation of a class in a
segment follow the paper; all visual streams are read side by side, and labels are many.

Shape letters: B batch, T segments, D width, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.models.baselines.parts import VISUAL, OneSidedHead, OneSidedNetwork
from mmpyramid.models.parsing import ParsingConfig
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class STPNConfig(ParsingConfig):
    """The network.

    One audio stream has to be named, and is not read.
    """

    architecture: ClassVar[str] = "stpn"

    width: int = 256
    """Hidden width of the attention."""


class SparsePooling(OneSidedHead):
    """The mean over time of what speaks for each class, weighted by attention."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(VISUAL)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def pool_side(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Pool; the probability of a segment is its own one times its attention."""
        evidence_BTC, attention_BT = split_attention(x_BTD)
        weight_BTO = (attention_BT * mask_BT)[..., None]
        logit_BC = (weight_BTO * evidence_BTC).sum(1) / mask_BT.sum(1, keepdim=True) + self.bias
        prob_BTC = attention_BT[..., None] * torch.sigmoid(evidence_BTC + self.bias)
        return prob_BTC, torch.sigmoid(logit_BC)


def split_attention(x_BTD: Tensor) -> tuple[Tensor, Tensor]:
    """What speaks for each class (B, T, C), and the attention (B, T) within 0..1.

    Example:
        >>> split_attention(torch.tensor([[[0.3, 0.5, 0.0]]]))[1].tolist()
        [[0.5]]
    """
    return x_BTD[..., :-1], torch.sigmoid(x_BTD[..., -1])


@register
class STPN(OneSidedNetwork):
    """Sparse temporal pooling of visual features (reconstruction).

    Classes are linear in the features, so they are evaluated segment by segment and pooled after.

    Args:
        config: the architecture.

    Example:
        >>> config = STPNConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = STPN(config)({"a": torch.ones(2, 7, 4), "v": torch.ones(2, 7, 6)})
        >>> pooled.prob_BTMC.amax((0, 1, 3)).gt(0).tolist()
        [False, True]
    """

    side = VISUAL
    notes = ("the network sees only: nothing is ever heard",)
    config_class = STPNConfig
    config: STPNConfig

    def __init__(self, config: STPNConfig | None = None) -> None:
        super().__init__(config := config or STPNConfig())
        self.attention = nn.Sequential(
            nn.Linear(self.input_width, config.width), nn.ReLU(), nn.Linear(config.width, 1)
        )
        self.classifier = nn.Linear(self.input_width, len(config.labels), bias=False)

    def make_head(self) -> SparsePooling:
        """Sparse temporal pooling."""
        return SparsePooling(len(self.config.labels))

    def encode_side(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """What speaks for each class, and the attention's logit in the last column."""
        del mask_BT
        return torch.cat((self.classifier(x_BTD), self.attention(x_BTD)), dim=-1)

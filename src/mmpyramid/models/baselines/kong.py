"""The attention model of Kong et al. (ICASSP 2018), which hears only.

Follows the authors' `decision_level_single_attention`
(github.com/qiuqiangkong/audioset_classification). Its use on LLP is a reconstruction: the numbers
of Table 2 come from the authors of HAN, who released no code for them. The probability of a segment
is what is classified there before attention pools over time.

Shape letters: B batch, T segments, D width, C classes, N existing segments of all videos.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.models.baselines.parts import AUDIO, OneSidedHead, OneSidedNetwork
from mmpyramid.models.parsing import ParsingConfig
from mmpyramid.models.registry import register

EPSILON = 1e-7
"""The attention is kept this far from 0 and 1, as released."""


@dataclass(kw_only=True, slots=True)
class KongConfig(ParsingConfig):
    """The network; widths, depth and dropout are what its authors released for AudioSet."""

    architecture: ClassVar[str] = "kong"

    visual_streams: dict[str, int] = field(default_factory=lambda: {"r2plus1d_18": 512})
    """One has to be named, and is not read."""
    width: int = 1024
    """D of the hidden layers."""
    num_layers: int = 3
    """Hidden layers."""
    dropout: float = 0.5
    """Dropout after each of them."""


class SegmentNorm(nn.BatchNorm1d):
    """Batch normalization of (N, D); one segment alone is normalized as in evaluation.

    Example:
        >>> SegmentNorm(2)(torch.ones(1, 2)).shape
        torch.Size([1, 2])
    """

    def forward(self, x_ND: Tensor) -> Tensor:
        """Normalize; the statistics of one segment would be its own value and no variance."""
        if self.training and len(x_ND) == 1:
            mean_D, var_D = self.running_mean, self.running_var
            return F.batch_norm(x_ND, mean_D, var_D, self.weight, self.bias, eps=self.eps)
        return super().forward(x_ND)


class AttentionPooling(OneSidedHead):
    """Classify every segment, and weigh the segments of a video for each class."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__(AUDIO)
        self.attention = initialized(nn.Linear(width, num_classes))
        self.classifier = initialized(nn.Linear(width, num_classes))

    def pool_side(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Pool by attention that sums to 1 over time."""
        attention_BTC = torch.sigmoid(self.attention(x_BTD)).clamp(EPSILON, 1 - EPSILON)
        attention_BTC = attention_BTC * mask_BT[..., None]
        weight_BTC = attention_BTC / attention_BTC.sum(1, keepdim=True)
        prob_BTC = torch.sigmoid(self.classifier(x_BTD))
        return prob_BTC, (weight_BTC * prob_BTC).sum(1)


@register
class Kong(OneSidedNetwork):
    """Batch-normalized layers on each segment of the audio, pooled by attention.

    Args:
        config: the architecture; left out, the released network with the classes of LLP.

    Example:
        >>> config = KongConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = Kong(config)({"a": torch.ones(2, 7, 4), "v": torch.ones(2, 7, 6)})
        >>> pooled.prob_BTMC.amax((0, 1, 3)).gt(0).tolist()
        [True, False]
    """

    side = AUDIO
    notes = ("the network hears only: nothing is ever seen",)
    config_class = KongConfig
    config: KongConfig

    def __init__(self, config: KongConfig | None = None) -> None:
        super().__init__(config := config or KongConfig())
        width = self.input_width
        layers: list[nn.Module] = [SegmentNorm(width)]
        for _ in range(config.num_layers):
            linear = initialized(nn.Linear(width, config.width, bias=False))
            width = config.width
            layers += [linear, SegmentNorm(width), nn.ReLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers)

    def make_head(self) -> AttentionPooling:
        """Attention over time."""
        return AttentionPooling(self.config.width, len(self.config.labels))

    def encode_side(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Embed each segment; padding has no part in the statistics of the normalizations."""
        if not self.training:  # Without statistics, and in shapes that ONNX can describe.
            embedded_BTD: Tensor = self.layers(x_BTD.flatten(0, 1)).reshape(*x_BTD.shape[:2], -1)
            return embedded_BTD * mask_BT[..., None]
        embedded_ND: Tensor = self.layers(x_BTD[mask_BT])
        out_BTD = embedded_ND.new_zeros(*mask_BT.shape, embedded_ND.shape[-1])
        out_BTD[mask_BT] = embedded_ND
        return out_BTD


def initialized(layer: nn.Linear) -> nn.Linear:
    """Draw the weights within sqrt(6 / fan-in), as released."""
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer

"""AVRB-like: a network in the manner of "See the Sound, Hear the Pixels" (WACV 2020).

A reconstruction, and of the structure itself a guess: of Ramaswamy and Das's network the abstract
and the names of its two blocks are known, no code and no sizes. What stands here is AVE's lineage
(audio-guided attention, an LSTM for each modality, a classifier of segments) with a fusion block of
the kind that the same author used in AVIN, and one weight for every segment. Read its numbers as
those of an AVRB-like network.

Shape letters: B batch, T segments, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.models.baselines.parts import (
    FactorizedBilinear,
    GuidedConfig,
    GuidedNetwork,
    bidirectional_lstm,
    mean_over_time,
    run,
    softmax_over_time,
)
from mmpyramid.models.network import Localized
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class AVRBConfig(GuidedConfig):
    """The network; everything inside its two blocks is a guess.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "avrb-like"

    width: int = 256
    """D, what both directions of an LSTM give together."""
    num_factors: int = 5
    """Products that the bilinear fusion sums to one number."""
    fusion_width: int = 256
    """Width of the bilinear fusion."""
    fusion_residual: bool = True
    """Whether the mean of both modalities is added to the fusion."""
    gate_width: int = 128
    """Hidden width of the attention to segments."""
    keep_mean: bool = True
    """Whether weights of segments are multiplied by their number, so that their mean is 1."""
    head_width: int = 64
    """Hidden width of the classifier."""
    dropout: float = 0.1
    """Dropout of the bilinear fusion."""


class FusionBlock(nn.Module):
    """Audio-visual fusion: the mean of both modalities and their bilinear fusion (AVFB)."""

    def __init__(self, config: AVRBConfig) -> None:
        super().__init__()
        self.has_residual = config.fusion_residual
        self.fusion = FactorizedBilinear(
            config.width, config.width, config.fusion_width, config.num_factors, config.dropout
        )
        self.output = nn.Linear(config.fusion_width, config.width)

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor) -> Tensor:
        """Give (B, T, D)."""
        fused_BTD: Tensor = self.output(self.fusion(audio_BTD, visual_BTD))
        return fused_BTD + (audio_BTD + visual_BTD) / 2 if self.has_residual else fused_BTD


class SegmentWiseAttention(nn.Module):
    """One weight for each segment, by itself and the mean of all (SWAB)."""

    def __init__(self, config: AVRBConfig) -> None:
        super().__init__()
        self.keep_mean = config.keep_mean
        self.segment = nn.Linear(config.width, config.gate_width)
        self.mean = nn.Linear(config.width, config.gate_width, bias=False)
        self.output = nn.Linear(config.gate_width, 1, bias=False)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give `x (1 + weight)`, (B, T, D)."""
        mean_BOD = mean_over_time(x_BTD, mask_BT)[:, None]
        score_BTO = self.output(torch.tanh(self.segment(x_BTD) + self.mean(mean_BOD)))
        return x_BTD * (1 + softmax_over_time(score_BTO, mask_BT, keep_mean=self.keep_mean))


@register
class AVRB(GuidedNetwork):
    """Fusion block and segment-wise attention on AVE's lineage (AVRB-like reconstruction).

    Args:
        config: the architecture; left out, the reconstruction's defaults.

    Example:
        >>> network = AVRB(AVRBConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> tuple(network(streams).score_BTC.shape)
        (2, 10, 29)
    """

    config_class = AVRBConfig
    config: AVRBConfig
    notes = ("AVRB-like reconstruction: the structure of AVRB's blocks is not public",)

    def __init__(self, config: AVRBConfig | None = None) -> None:
        super().__init__(config := config or AVRBConfig())
        self.audio_lstm = bidirectional_lstm(self.audio_width, config.width)
        self.visual_lstm = bidirectional_lstm(self.visual_width, config.width)
        self.fusion = FusionBlock(config)
        self.gate = SegmentWiseAttention(config)
        self.classifier = nn.Sequential(
            nn.Linear(config.width, config.head_width),
            nn.ReLU(),
            nn.Linear(config.head_width, len(config.labels) + 1),
        )

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Attend to the map, read both streams, fuse them, weigh and classify every segment."""
        audio_BTD, visual = self.read(streams, present_BM)
        visual_BTD = self.attend(audio_BTD, visual, present_BM)
        audio_BTD, _ = run(self.audio_lstm, audio_BTD, mask_BT)
        visual_BTD, _ = run(self.visual_lstm, visual_BTD, mask_BT)
        fused_BTD = self.gate(self.fusion(audio_BTD, visual_BTD), mask_BT)
        return Localized(self.classifier(fused_BTD))

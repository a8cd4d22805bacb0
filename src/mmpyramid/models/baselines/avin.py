"""AVIN, "What Makes the Sound?" (Ramaswamy, ICASSP 2020): interaction within and across modalities.

A reconstruction: no code was released, and the six stages are known from a description. An LSTM
reads each modality; bilinear pooling associates them; every modality's segments are weighed by
their match with its own summary and with the other modality's; a linear layer classifies it all.
What is not known, or can be read in two ways, is a field.

Shape letters: B batch, T segments, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

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
class AVINConfig(GuidedConfig):
    """The network.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "avin"

    width: int = 256
    """D, what an LSTM gives, both directions together (not known)."""
    bidirectional: bool = True
    """Whether LSTMs read in both directions (not known)."""
    spatial: Literal["mean", "guided"] = "mean"
    """How a map becomes a vector: its mean, for no attention is described, or as in AVE."""
    num_factors: int = 5
    """Products that the bilinear pooling sums to one number (not known)."""
    fusion_width: int = 256
    """Width of the bilinear pooling (not known)."""
    weighting: Literal["scalar", "channel"] = "scalar"
    """A weight for each segment, or for each segment and channel; the description fits both."""
    inter_query: Literal["sum", "mean"] = "sum"
    """How weighed segments become what is asked of the other modality. `mean` is the wording;
    its queries are as many times smaller as there are segments, and weights nearly equal."""
    keep_mean: bool = False
    """Whether weights are multiplied by the number of segments, so that their mean is 1."""
    dropout: float = 0.1
    """Dropout of the bilinear pooling."""


class Interaction(nn.Module):
    """Segments weighed by their match with a query; it has no parameters."""

    def __init__(self, config: AVINConfig) -> None:
        super().__init__()
        self.weighting, self.keep_mean = config.weighting, config.keep_mean

    def forward(self, x_BTD: Tensor, query_BD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give each segment times its weight, (B, T, D)."""
        score_BTD = x_BTD * query_BD[:, None]
        if self.weighting == "scalar":
            score_BTD = score_BTD.sum(-1, keepdim=True)
        return x_BTD * softmax_over_time(score_BTD, mask_BT, keep_mean=self.keep_mean)


class PositionMean(nn.Module):
    """The mean over the positions of a map, where others attend to them."""

    def forward(self, audio_BTD: Tensor, visual_BTHWD: Tensor) -> Tensor:
        """Give (B, T, D); what is heard plays no part."""
        del audio_BTD
        return visual_BTHWD.flatten(2, -2).mean(2)


@register
class AVIN(GuidedNetwork):
    """Interaction within and across modalities (reconstruction).

    Args:
        config: the architecture; left out, the reconstruction's defaults.

    Example:
        >>> network = AVIN(AVINConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> tuple(network(streams).score_BTC.shape)
        (2, 10, 29)
    """

    config_class = AVINConfig
    config: AVINConfig
    notes = ("AVIN is a reconstruction: no code was released",)

    def __init__(self, config: AVINConfig | None = None) -> None:
        super().__init__(config := config or AVINConfig())
        self.audio_lstm, self.visual_lstm = (
            bidirectional_lstm(width, config.width)
            if config.bidirectional
            else nn.LSTM(width, config.width, batch_first=True)
            for width in (self.audio_width, self.visual_width)
        )
        self.association = FactorizedBilinear(
            config.width, config.width, config.fusion_width, config.num_factors, config.dropout
        )
        self.interaction = Interaction(config)
        num_inputs = 4 * config.width + config.fusion_width
        self.classifier = nn.Linear(num_inputs, len(config.labels) + 1)

    def make_attention(self, guide_width: int) -> nn.Module:
        """The mean over the map, or attention to it."""
        if self.config.spatial == "mean":
            return PositionMean()
        return super().make_attention(guide_width)

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Read both streams, associate them, weigh segments within and across, classify."""
        audio_BTD, visual = self.read(streams, present_BM)
        visual_BTD = self.attend(audio_BTD, visual, present_BM)
        audio_BTD, _ = run(self.audio_lstm, audio_BTD, mask_BT)
        visual_BTD, _ = run(self.visual_lstm, visual_BTD, mask_BT)
        within = [
            self.interaction(x_BTD, mean_over_time(x_BTD, mask_BT), mask_BT)
            for x_BTD in (audio_BTD, visual_BTD)
        ]
        audio_query_BD, visual_query_BD = (self._query(x_BTD, mask_BT) for x_BTD in within)
        across = [
            self.interaction(audio_BTD, visual_query_BD, mask_BT),
            self.interaction(visual_BTD, audio_query_BD, mask_BT),
        ]
        associated_BTD = self.association(audio_BTD, visual_BTD)
        everything_BTD = torch.cat((*within, *across, associated_BTD), dim=-1)
        return Localized(self.classifier(everything_BTD))

    def _query(self, weighed_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        mean_BD = mean_over_time(weighed_BTD, mask_BT)
        is_sum = self.config.inter_query == "sum"
        return mean_BD * mask_BT.sum(1, keepdim=True) if is_sum else mean_BD

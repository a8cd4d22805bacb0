"""The hybrid transformer of the ablation "Hybr-Trans w/ PE" (Table 3): no pyramid, no convolution.

Shape letters: B batch, T segments, D width, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import TransformerLayer, positional_encoding
from mmpyramid.models.network import Encoded, StreamProjection
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class HybridTransformerConfig(ParsingConfig):
    """Sizes of the hybrid transformer; as wide and as deep as the released pyramid.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "hybrid-transformer"

    num_layers: int = 4
    """Layers in a row."""
    num_heads: int = 8
    """Heads of every attention."""
    dropout: float = 0.2
    """Dropout of residual branches and feed-forward parts."""
    attention_dropout: float = 0.1
    """Dropout of attention probabilities."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        if self.width % self.num_heads or self.width % 2:
            raise UserError(
                f"width {self.width} is odd or not a multiple of {self.num_heads} heads"
            )


@register
class HybridTransformer(ParsingNetwork):
    """Self-attention in each modality, then attention across, with one layer for all four.

    The paper names "the 4-layer hybrid transformer encoder with positional encoding" and says no
    more; the released code holds an unused block of this form.

    Example:
        >>> config = HybridTransformerConfig(
        ...     audio_streams={"a": 4}, visual_streams={"v": 6}, width=16
        ... )
        >>> pooled = HybridTransformer(config)({"a": torch.ones(2, 7, 4), "v": torch.ones(2, 7, 6)})
        >>> tuple(pooled.prob_BTMC.shape)
        (2, 7, 2, 25)
    """

    config_class = HybridTransformerConfig
    config: HybridTransformerConfig

    def __init__(self, config: HybridTransformerConfig | None = None) -> None:
        super().__init__(config := config or HybridTransformerConfig())
        self.audio_projection = StreamProjection(config.audio_streams, config.width)
        self.visual_projection = StreamProjection(config.visual_streams, config.width)
        sizes = (config.width, config.num_heads, None, config.dropout, config.attention_dropout)
        self.layers = nn.ModuleList([TransformerLayer(*sizes) for _ in range(config.num_layers)])

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Project, add positions, relate within and across modalities layer by layer."""
        audio_BTD = self.audio_projection(streams) * present_BM[:, 0, None, None]
        visual_BTD = self.visual_projection(streams) * present_BM[:, 1, None, None]
        projected_BTMD = torch.stack((audio_BTD, visual_BTD), dim=2)
        positions_TD = positional_encoding(mask_BT.shape[1], audio_BTD)
        audio_BTD, visual_BTD = audio_BTD + positions_TD, visual_BTD + positions_TD
        for layer in self.layers:
            audio_self = layer(audio_BTD, audio_BTD, mask_BT)
            visual_self = layer(visual_BTD, visual_BTD, mask_BT)
            audio_BTD = layer(audio_self, visual_self, mask_BT)
            visual_BTD = layer(visual_self, audio_self, mask_BT)
        return Encoded(torch.stack((audio_BTD, visual_BTD), dim=2), projected_BTMD)

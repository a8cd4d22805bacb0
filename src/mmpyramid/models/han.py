"""Hybrid attention network for video parsing (Tian, Li, Xu, ECCV 2020).

Shape letters: B batch, T segments, D width, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import WindowedAttention
from mmpyramid.models.network import Encoded, StreamProjection
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class HANConfig(ParsingConfig):
    """The network; the defaults are what its authors released.

    Raises:
        UserError: if a value cannot make a network.

    Example:
        >>> HANConfig(labels=("Dog", "Rain"), width=64).to_dict()["width"]
        64
    """

    architecture: ClassVar[str] = "han"

    num_heads: int = 1
    """Heads of both attentions."""
    dropout: float = 0.1
    """Dropout of attention probabilities, residual branches and the feed-forward part."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        if self.width % self.num_heads:
            raise UserError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")


class HANLayer(nn.Module):
    """`x = LN(q + Drop(MHA(q, q)) + Drop(MHA(q, o))); LN(x + Drop(FFN(x)))`, as released.

    The query attends to its own modality and to the other one; both are added to it.

    Args:
        width: D, also the hidden width of the feed-forward part.
        num_heads: heads of both attentions.
        dropout: dropout of attention probabilities, residual branches and the feed-forward part.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = WindowedAttention(width, num_heads, None, dropout)
        self.cross_attention = WindowedAttention(width, num_heads, None, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        for attention in (self.self_attention, self.cross_attention):
            _initialize(attention)

    def forward(self, query_BTD: Tensor, other_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give the query with what both modalities add to it, (B, T, D)."""
        from_self = self.dropout(self.self_attention(query_BTD, query_BTD, mask_BT))
        from_other = self.dropout(self.cross_attention(query_BTD, other_BTD, mask_BT))
        x = self.attention_norm(query_BTD + from_other + from_self)
        out: Tensor = self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))
        return out


def _initialize(attention: WindowedAttention) -> None:
    """Draw weights as `torch.nn.MultiheadAttention` does, of which the release is made.

    There query, key and value are one matrix of 3 D rows, whose Xavier bound is sqrt(6 / 4 D); the
    weight of the output is that of a linear layer, and all biases are 0.
    """
    for projection in (attention.query, attention.key, attention.value):
        bound = (6 / (4 * projection.in_features)) ** 0.5
        nn.init.uniform_(projection.weight, -bound, bound)
        nn.init.zeros_(projection.bias)
    nn.init.zeros_(attention.output.bias)


@register
class HAN(ParsingNetwork):
    """Hybrid attention network with attentive MMIL pooling; the baseline of Table 2.

    Follows the release, whose layer is post-norm with one head, and has no positional encoding. The
    same layer serves both directions, and both read the features from before it.

    Args:
        config: the architecture; left out, the released network.

    Example:
        >>> config = HANConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = HAN(config)({"a": torch.zeros(2, 7, 4), "v": torch.zeros(2, 7, 6)})
        >>> tuple(pooled.prob_BTMC.shape), tuple(pooled.video_BC.shape)
        ((2, 7, 2, 25), (2, 25))
    """

    config_class = HANConfig
    config: HANConfig

    def __init__(self, config: HANConfig | None = None) -> None:
        super().__init__(config := config or HANConfig())
        self.audio_projection = StreamProjection(config.audio_streams, config.width)
        self.visual_projection = StreamProjection(config.visual_streams, config.width)
        self.layer = HANLayer(config.width, config.num_heads, config.dropout)

    def front(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the layer reads: audio and visual features, (B, T, D) each."""
        del mask_BT
        audio_BTD = self.audio_projection(streams) * present_BM[:, 0, None, None]
        return audio_BTD, self.visual_projection(streams) * present_BM[:, 1, None, None]

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Project, then let each modality attend to itself and to the other."""
        projected_MBTD = torch.stack(self.front(streams, mask_BT, present_BM))
        # Both directions share the layer, so they go through it as one batch.
        query_BTD, other_BTD = projected_MBTD.flatten(0, 1), projected_MBTD.flip(0).flatten(0, 1)
        fused_BTD = self.layer(query_BTD, other_BTD, mask_BT.repeat(2, 1))
        return Encoded(
            fused_BTMD=fused_BTD.unflatten(0, (2, -1)).permute(1, 2, 0, 3),
            projected_BTMD=projected_MBTD.permute(1, 2, 0, 3),
        )

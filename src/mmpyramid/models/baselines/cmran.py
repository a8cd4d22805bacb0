"""CMRAN, the cross-modal relation-aware network (Xu et al., ACM MM 2020).

Follows the released code (github.com/FloretCat/CMRAN) for both kinds of supervision. Two fully
connected layers that guide audio by vision, and the self-attention of its decoders, are created
there and never called; they are left out, which leaves 9.51 of 15.86 million parameters. Released
training computes in float64, ours in float32.

Shape letters: B batch, T segments, P positions of the map, D width, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.parts import DecomposedHead, Head, PairConfig, PairNetwork
from mmpyramid.models.network import Localized
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class CMRANConfig(PairConfig):
    """The network; the defaults are what its authors released for full supervision.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "cmran"

    width: int = 256
    """D of the relation modules; the visual map has twice as much."""
    num_heads: int = 4
    """Heads of encoders and decoders."""
    interaction_heads: int = 4
    """Heads where both modalities meet (released: 4 fully, 2 weakly supervised)."""
    num_layers: int = 2
    """Layers of each encoder."""
    feed_forward_width: int = 2048
    """Hidden width of the feed-forward parts."""
    dropout: float = 0.1
    """Dropout of the relation modules."""
    map_dropout: float = 0.2
    """Dropout of the projected visual map."""
    head: Head = "category"
    """`category` for full supervision, `fused` for weak supervision."""

    def __post_init__(self) -> None:
        PairConfig.__post_init__(self)
        for name in ("num_heads", "interaction_heads"):
            if self.width % getattr(self, name):
                raise UserError(
                    f"width {self.width} is not a multiple of {name} {getattr(self, name)}"
                )


class ChannelSpatialAttention(nn.Module):
    """Audio-guided attention to the channels of a visual map, then to its positions.

    Args:
        audio_width: width of the audio stream.
        map_width: width of the visual map.
    """

    def __init__(self, audio_width: int, map_width: int) -> None:
        super().__init__()
        narrow = map_width // 2
        self.channel_visual = nn.Linear(map_width, map_width)
        self.channel_audio = nn.Linear(audio_width, map_width)
        self.channel_bottleneck = nn.Linear(map_width, narrow)
        self.channel = nn.Linear(narrow, map_width)
        self.spatial_visual = nn.Linear(map_width, narrow)
        self.spatial_audio = nn.Linear(audio_width, narrow)
        self.spatial = nn.Linear(narrow, 1)

    def forward(self, audio_BTD: Tensor, map_BTPD: Tensor) -> Tensor:
        """Give the attended visual feature of every segment, (B, T, D)."""
        heard_BTOD = self.channel_audio(audio_BTD).relu().unsqueeze(2)
        agreement_BTD = (heard_BTOD * self.channel_visual(map_BTPD).relu()).mean(2)
        bottleneck = self.channel_bottleneck(agreement_BTD).relu()
        channel_BTOD = torch.sigmoid(self.channel(bottleneck)).unsqueeze(2)
        map_BTPD = map_BTPD * (channel_BTOD + 1)
        heard_BTOD = self.spatial_audio(audio_BTD).relu().unsqueeze(2)
        agreement = self.spatial_visual(map_BTPD).relu() * heard_BTOD
        weight_BTP = torch.tanh(self.spatial(agreement)).squeeze(-1).softmax(-1)
        return torch.einsum("btp,btpd->btd", weight_BTP, map_BTPD)


class TemporalRelation(nn.Module):
    """Relations within a modality: a projection and a post-norm transformer encoder.

    The layers start as copies of one another, as released.
    """

    def __init__(self, input_width: int, config: CMRANConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(input_width, config.width)
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.num_heads,
            config.feed_forward_width,
            config.dropout,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config.num_layers, enable_nested_tensor=False)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, D)."""
        out: Tensor = self.encoder(self.projection(x_BTD), src_key_padding_mask=~mask_BT)
        return out


class CrossModalRelation(nn.Module):
    """Cross-modal relation attention: a modality attends to the other and to itself at once."""

    def __init__(self, input_width: int, config: CMRANConfig) -> None:
        super().__init__()
        width, hidden, dropout = config.width, config.feed_forward_width, config.dropout
        self.projection = nn.Linear(input_width, width)
        self.attention = nn.MultiheadAttention(width, config.num_heads, dropout, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query_BTD: Tensor, other_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give the query's modality with what both add to it, (B, T, D).

        Args:
            query_BTD: the modality's stream.
            other_BTD: the other modality, encoded.
            mask_BT: True where a segment exists.
        """
        x = self.projection(query_BTD)
        mixed = attend_to_both(self.attention, x, (other_BTD, x), mask_BT)
        x = self.attention_norm(x + self.dropout(mixed))
        out: Tensor = self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))
        return out


class Interaction(nn.Module):
    """The product of both modalities attends to both; its result is what the heads read."""

    def __init__(self, config: CMRANConfig) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(
            config.width, config.interaction_heads, config.dropout, batch_first=True
        )
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, D)."""
        product_BTD = visual_BTD * audio_BTD
        mixed = attend_to_both(self.attention, product_BTD, (audio_BTD, visual_BTD), mask_BT)
        out: Tensor = self.norm(product_BTD + self.dropout(mixed))
        return out


def attend_to_both(
    attention: nn.MultiheadAttention,
    query_BTD: Tensor,
    memories_BTD: tuple[Tensor, Tensor],
    mask_BT: Tensor,
) -> Tensor:
    """Attend to two sequences laid one after the other, (B, T, D)."""
    memory = torch.cat(memories_BTD, dim=1)
    absent = ~mask_BT.repeat(1, 2)
    mixed: Tensor
    mixed, _ = attention(query_BTD, memory, memory, key_padding_mask=absent, need_weights=False)
    return mixed


@register
class CMRAN(PairNetwork):
    """Cross-modal relation-aware network; fully and weakly supervised by its `head`.

    The number of positions is free; a visual stream without positions counts as one.

    Args:
        config: the architecture; left out, the released network for full supervision.

    Example:
        >>> network = CMRAN(CMRANConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> output = network(streams)
        >>> tuple(output.relevance_BT.shape), tuple(output.category_BC.shape)
        ((2, 10), (2, 28))
    """

    config_class = CMRANConfig
    config: CMRANConfig

    def __init__(self, config: CMRANConfig | None = None) -> None:
        super().__init__(config := config or CMRANConfig())
        map_width = 2 * config.width
        self.map_projection = nn.Sequential(
            nn.Linear(self.visual_width, map_width), nn.ReLU(), nn.Dropout(config.map_dropout)
        )
        self.attention = ChannelSpatialAttention(self.audio_width, map_width)
        self.audio_encoder = TemporalRelation(self.audio_width, config)
        self.visual_encoder = TemporalRelation(map_width, config)
        self.audio_decoder = CrossModalRelation(self.audio_width, config)
        self.visual_decoder = CrossModalRelation(map_width, config)
        self.interaction = Interaction(config)
        self.head = DecomposedHead(config.width, len(config.labels), config.head, pool="max")

    def front(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What encoders and decoders read: audio as it came, and attended vision."""
        del mask_BT
        audio_BTD, visual = self.read(streams, present_BM)
        map_BTPD = self.map_projection(
            visual.flatten(2, -2) if visual.ndim > 3 else visual[:, :, None]
        )
        return audio_BTD, self.attention(audio_BTD, map_BTPD) * present_BM[:, 1, None, None]

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Attend, relate each modality to itself and to the other, let both interact, decide."""
        audio_BTD, visual_BTD = self.front(streams, mask_BT, present_BM)
        audio_memory_BTD = self.audio_encoder(audio_BTD, mask_BT)
        visual_memory_BTD = self.visual_encoder(visual_BTD, mask_BT)
        audio_out_BTD = self.audio_decoder(audio_BTD, visual_memory_BTD, mask_BT)
        visual_out_BTD = self.visual_decoder(visual_BTD, audio_memory_BTD, mask_BT)
        joint_BTD = self.interaction(audio_out_BTD, visual_out_BTD, mask_BT)
        output: Localized = self.head(joint_BTD, mask_BT)
        return output

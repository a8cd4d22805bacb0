"""MPN, the multimodal parallel network (Yu, Cheng, Feng, ICME 2021).

A reconstruction: no code was released. Known is that two sub-networks work side by side, one of
co-attention that tells the category, one of bottleneck attention on unmixed segments that tells
where it happens. Their insides are ours: co-attention layers in the manner of the bi-modal
transformer, and bottleneck attention as in BAM (Park et al., BMVC 2018) and MMTM (Joze et al., CVPR
2020), without batch normalization and with dilation 2 instead of 4, for clips have ten segments.

Shape letters: B batch, T segments, D width, R width of a bottleneck, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.parts import GuidedConfig, Head, PairNetwork, mean_over_time
from mmpyramid.models.localization import AudioGuidedAttention, check_grid, decomposed
from mmpyramid.models.network import Localized
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class MPNConfig(GuidedConfig):
    """The network.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "mpn"

    width: int = 256
    """D of both modalities (not known)."""
    num_layers: int = 2
    """Layers of co-attention (not known)."""
    num_heads: int = 4
    """Heads of every attention (not known)."""
    feed_forward_width: int = 512
    """Hidden width of the feed-forward parts (not known)."""
    bottleneck_width: int = 16
    """R of one modality; what both give together has twice as much (BAM's sixteenth)."""
    dilation: int = 2
    """Distance in segments of the taps of the bottleneck's convolutions."""
    joint_squeeze: bool = True
    """Whether gates of channels see both modalities; False is a stricter reading of "unmixed"."""
    share_stem: bool = True
    """Whether both sub-networks read the same attended, projected features."""
    dropout: float = 0.1
    """Dropout of attention weights and of residual branches."""
    head: Head = "category"
    """`category` for full supervision, `fused` for weak supervision."""

    def __post_init__(self) -> None:
        GuidedConfig.__post_init__(self)
        if self.width % self.num_heads:
            raise UserError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")
        if self.dilation < 1:
            raise UserError(f"dilation should be at least 1, got {self.dilation}")


class Stem(nn.Module):
    """Attend to the map by what is heard; bring both modalities to one width."""

    def __init__(self, audio_width: int, visual_width: int, config: MPNConfig) -> None:
        super().__init__()
        self.attention = None
        if config.map_size:
            self.attention = AudioGuidedAttention(
                audio_width,
                visual_width,
                num_positions=config.map_size[0] * config.map_size[1],
                hidden_width=config.attention_width,
            )
        self.audio = nn.Linear(audio_width, config.width)
        self.visual = nn.Linear(visual_width, config.width)

    def forward(
        self, audio_BTD: Tensor, visual: Tensor, present_BM: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give audio and visual features, (B, T, D) each."""
        if self.attention is not None:
            visual = self.attention(audio_BTD, visual)
        return self.audio(audio_BTD), self.visual(visual * present_BM[:, 1, None, None])


class ResidualAttention(nn.Module):
    """`x + Drop(MHA(LN(x); memory))`; the memory comes as it is, or is the normalized x itself."""

    def __init__(self, config: MPNConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.attention = nn.MultiheadAttention(
            config.width, config.num_heads, config.dropout, batch_first=True
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor, memory_BTD: Tensor | None = None) -> Tensor:
        """Give (B, T, D)."""
        query = self.norm(x_BTD)
        memory = query if memory_BTD is None else memory_BTD
        mixed, _ = self.attention(
            query, memory, memory, key_padding_mask=~mask_BT, need_weights=False
        )
        out_BTD: Tensor = x_BTD + self.dropout(mixed)
        return out_BTD


class FeedForward(nn.Sequential):
    """`Drop(FFN(LN(x)))`."""

    def __init__(self, config: MPNConfig) -> None:
        super().__init__(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.feed_forward_width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feed_forward_width, config.width),
            nn.Dropout(config.dropout),
        )


class CoAttentionLayer(nn.Module):
    """Self-attention, attention to the other modality, feed-forward, for both modalities at once.

    Neither sees what the same step makes of the other.
    """

    def __init__(self, config: MPNConfig) -> None:
        super().__init__()
        self.audio_self, self.visual_self, self.audio_cross, self.visual_cross = (
            ResidualAttention(config) for _ in range(4)
        )
        self.audio_feed_forward, self.visual_feed_forward = (FeedForward(config) for _ in range(2))

    def forward(
        self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give both modalities, (B, T, D) each."""
        heard, seen = self.audio_self(audio_BTD, mask_BT), self.visual_self(visual_BTD, mask_BT)
        audio_BTD = self.audio_cross(heard, mask_BT, seen)
        visual_BTD = self.visual_cross(seen, mask_BT, heard)
        return (
            audio_BTD + self.audio_feed_forward(audio_BTD),
            visual_BTD + self.visual_feed_forward(visual_BTD),
        )


class CoAttention(nn.Module):
    """The multimodal co-attention module (MCM)."""

    def __init__(self, config: MPNConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList([CoAttentionLayer(config) for _ in range(config.num_layers)])

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give both modalities side by side, (B, T, 2 D)."""
        for layer in self.layers:
            audio_BTD, visual_BTD = layer(audio_BTD, visual_BTD, mask_BT)
        return torch.cat((audio_BTD, visual_BTD), dim=-1)


class TemporalGate(nn.Module):
    """One logit for each segment, by dilated convolutions in a bottleneck."""

    def __init__(self, config: MPNConfig) -> None:
        super().__init__()
        narrow, dilation = config.bottleneck_width, config.dilation
        self.squeeze = nn.Conv1d(config.width, narrow, 1)
        self.first, self.second = (
            nn.Conv1d(narrow, narrow, 3, padding=dilation, dilation=dilation) for _ in range(2)
        )
        self.output = nn.Conv1d(narrow, 1, 1)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, 1); padded segments count as the zeros beyond the end of a video."""
        hidden_BRT = self.squeeze(x_BTD.mT)
        for convolution in (self.first, self.second):
            hidden_BRT = convolution(hidden_BRT.relu() * mask_BT[:, None])
        logit_BOT: Tensor = self.output(hidden_BRT.relu())
        return logit_BOT.mT


class BottleneckAttention(nn.Module):
    """The multimodal bottleneck attention module: `x (1 + gate)` for each modality (MBAM).

    A gate is the sigmoid of a logit of the channel plus one of the segment.
    """

    def __init__(self, config: MPNConfig) -> None:
        super().__init__()
        width, narrow = config.width, config.bottleneck_width
        self.is_joint = config.joint_squeeze
        if config.joint_squeeze:
            self.squeeze = nn.Linear(2 * width, 2 * narrow)
        else:
            self.audio_squeeze, self.visual_squeeze = (nn.Linear(width, narrow) for _ in range(2))
        squeezed_width = 2 * narrow if config.joint_squeeze else narrow
        self.audio_channel = nn.Linear(squeezed_width, width)
        self.visual_channel = nn.Linear(squeezed_width, width)
        self.audio_time, self.visual_time = TemporalGate(config), TemporalGate(config)

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give both modalities side by side, (B, T, 2 D)."""
        audio_BD, visual_BD = (mean_over_time(x, mask_BT) for x in (audio_BTD, visual_BTD))
        if self.is_joint:
            audio_BR = visual_BR = self.squeeze(torch.cat((audio_BD, visual_BD), dim=-1)).relu()
        else:
            audio_BR = self.audio_squeeze(audio_BD).relu()
            visual_BR = self.visual_squeeze(visual_BD).relu()
        audio_gate = self.audio_channel(audio_BR)[:, None] + self.audio_time(audio_BTD, mask_BT)
        visual_gate = self.visual_channel(visual_BR)[:, None] + self.visual_time(
            visual_BTD, mask_BT
        )
        gated = (
            audio_BTD * (1 + torch.sigmoid(audio_gate)),
            visual_BTD * (1 + torch.sigmoid(visual_gate)),
        )
        return torch.cat(gated, dim=-1)


@register
class MPN(PairNetwork):
    """Category by co-attention, relevance by bottleneck attention, in parallel (reconstruction).

    Args:
        config: the architecture; left out, the reconstruction's defaults.

    Example:
        >>> network = MPN(MPNConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> output = network(streams)
        >>> tuple(output.relevance_BT.shape), tuple(output.category_BC.shape)
        ((2, 10), (2, 28))
    """

    config_class = MPNConfig
    config: MPNConfig
    notes = ("MPN is a reconstruction: its authors released no code",)

    def __init__(self, config: MPNConfig | None = None) -> None:
        super().__init__(config := config or MPNConfig())
        widths = (self.audio_width, self.visual_width)
        self.stem = Stem(*widths, config)
        self.local_stem = None if config.share_stem else Stem(*widths, config)
        self.co_attention = CoAttention(config)
        self.bottleneck = BottleneckAttention(config)
        self.is_fused = config.head == "fused"
        self.category = nn.Linear(2 * config.width, len(config.labels) + self.is_fused)
        self.relevance = nn.Linear(2 * config.width, 1)

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Tell the category from mixed, and the relevance from unmixed features."""
        audio_BTD, visual = self.read(streams, present_BM)
        check_grid(self.config.architecture, self.visual_name, visual, self.config.map_size)
        features = self.stem(audio_BTD, visual, present_BM)
        local = (
            features if self.local_stem is None else self.local_stem(audio_BTD, visual, present_BM)
        )
        category_BC = self.category(mean_over_time(self.co_attention(*features, mask_BT), mask_BT))
        relevance_BT = self.relevance(self.bottleneck(*local, mask_BT)).squeeze(-1)
        return decomposed(relevance_BT, category_BC, is_fused=self.is_fused)

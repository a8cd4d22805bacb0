"""DAM, dual attention matching (Wu, Zhu, Yan, Yang, ICCV 2019).

A reconstruction: its authors released no code. The structure is that of the paper's description:
each modality's event feature is the temporal mean of its self-attention, the category is told from
both, and a segment is relevant if it matches the *other* modality's event feature. Widths, heads
and layers are not known; they are fields, whose defaults follow a third party's use of DAM
(github.com/tonymisic/zero-shot-cml) where it has one. Unlike that code, background is never cut
away by the annotation, and the attention to the map is AVE's.

It is trained fully supervised only: the paper defines no weak setting for it.

Shape letters: B batch, T segments, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.parts import GuidedConfig, GuidedNetwork, mean_over_time
from mmpyramid.models.localization import decomposed
from mmpyramid.models.network import Localized
from mmpyramid.models.registry import register

EPSILON = 1e-7
"""Relevances are kept this far from 0 and 1 before the logarithm."""


@dataclass(kw_only=True, slots=True)
class DAMConfig(GuidedConfig):
    """The network.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "dam"

    width: int = 256
    """D of both modalities (not known)."""
    block: Literal["plain", "transformer"] = "plain"
    """Self-attention alone, as described, or with residuals, norms and a feed-forward part."""
    num_layers: int = 1
    """Layers of self-attention (not known)."""
    num_heads: int = 1
    """Heads of the self-attention (not known)."""
    share_attention: bool = False
    """Whether both modalities have one self-attention (not known)."""
    scaled: bool = False
    """Whether the match is divided by the root of the width; no source says so."""
    feed_forward_width: int = 512
    """Hidden width of the feed-forward part of a `transformer` block."""
    dropout: float = 0.1
    """Dropout of attention weights, and of all of a `transformer` block."""

    def __post_init__(self) -> None:
        GuidedConfig.__post_init__(self)
        if self.width % self.num_heads:
            raise UserError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")


class EventFeature(nn.Module):
    """Self-attention over the segments, then their mean: one feature for the video's event."""

    def __init__(self, config: DAMConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_layer(config) for _ in range(config.num_layers)])

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, D)."""
        absent_BT = ~mask_BT
        for layer in self.layers:
            if isinstance(layer, nn.MultiheadAttention):
                x_BTD, _ = layer(
                    x_BTD, x_BTD, x_BTD, key_padding_mask=absent_BT, need_weights=False
                )
            else:
                x_BTD = layer(x_BTD, src_key_padding_mask=absent_BT)
        return mean_over_time(x_BTD, mask_BT)


def _layer(config: DAMConfig) -> nn.Module:
    if config.block == "plain":
        return nn.MultiheadAttention(
            config.width, config.num_heads, config.dropout, batch_first=True
        )
    return nn.TransformerEncoderLayer(
        config.width, config.num_heads, config.feed_forward_width, config.dropout, batch_first=True
    )


def matched(
    audio_event_BD: Tensor, visual_event_BD: Tensor, audio_BTD: Tensor, visual_BTD: Tensor
) -> Tensor:
    """How far each segment matches the other modality's event, (B, T) within 0..1.

    The mean of both probabilities, not the probability of the mean.

    Example:
        >>> one_BD, many_BTD = torch.zeros(1, 4), torch.ones(1, 3, 4)
        >>> matched(one_BD, one_BD, many_BTD, many_BTD).tolist()
        [[0.5, 0.5, 0.5]]
    """
    heard_BT = torch.einsum("bd,btd->bt", visual_event_BD, audio_BTD)
    seen_BT = torch.einsum("bd,btd->bt", audio_event_BD, visual_BTD)
    wide = torch.promote_types(heard_BT.dtype, torch.float32)
    return (torch.sigmoid(heard_BT.to(wide)) + torch.sigmoid(seen_BT.to(wide))) / 2


@register
class DAM(GuidedNetwork):
    """Dual attention matching (reconstruction).

    Args:
        config: the architecture; left out, the reconstruction's defaults.

    Example:
        >>> network = DAM(DAMConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> output = network(streams)
        >>> tuple(output.relevance_BT.shape), tuple(output.category_BC.shape)
        ((2, 10), (2, 28))
    """

    config_class = DAMConfig
    config: DAMConfig
    notes = ("DAM is a reconstruction: its authors released no code",)

    def __init__(self, config: DAMConfig | None = None) -> None:
        super().__init__(config := config or DAMConfig())
        self.audio_projection = nn.Linear(self.audio_width, config.width)
        self.visual_projection = nn.Linear(self.visual_width, config.width)
        self.event = EventFeature(config)
        self.visual_event = None if config.share_attention else EventFeature(config)
        self.category = nn.Linear(2 * config.width, len(config.labels))

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Tell the event of each modality, match segments with the other one, decompose the task.

        The relevance is given as the logit of the mean of two probabilities, so that its binary
        cross-entropy is that of this mean.
        """
        audio_BTD, visual = self.read(streams, present_BM)
        visual_BTD = self.visual_projection(self.attend(audio_BTD, visual, present_BM))
        audio_BTD = self.audio_projection(audio_BTD)
        audio_event_BD = self.event(audio_BTD, mask_BT)
        visual_event_BD = (self.visual_event or self.event)(visual_BTD, mask_BT)
        category_BC = self.category(torch.cat((visual_event_BD, audio_event_BD), dim=-1))
        if self.config.scaled:
            audio_BTD, visual_BTD = (x / self.config.width**0.5 for x in (audio_BTD, visual_BTD))
        relevance_BT = matched(audio_event_BD, visual_event_BD, audio_BTD, visual_BTD)
        return decomposed(torch.logit(relevance_BT, EPSILON), category_BC, is_fused=False)

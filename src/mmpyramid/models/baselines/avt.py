"""AVT-like: a network in the manner of "Audiovisual Transformer with Instance Attention" (2020).

A reconstruction, and of the structure itself a guess: of Lin and Wang's network (ACCV 2020) the
abstract alone is known. It tells of co-attention over what is heard, what a frame shows
(intra-frame) and how frames follow one another (inter-frame), and of an attention to the regions
that sound (instance). Blocks of standard transformers are arranged accordingly; read its numbers
as those of an AVT-like network.

Shape letters: B batch, T segments, N segments of all videos, P positions of the map, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import positional_encoding
from mmpyramid.models.baselines.parts import PairConfig, PairNetwork
from mmpyramid.models.network import Localized
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class AVTConfig(PairConfig):
    """The network; all of it is a guess but for its parts' names.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "avt-like"

    width: int = 256
    """D of every layer."""
    num_heads: int = 4
    """Heads of every attention."""
    feed_forward_width: int = 512
    """Hidden width of the feed-forward parts."""
    intra_frame: bool = True
    """Whether the positions of a frame attend to one another."""
    instance_attention: bool = True
    """Whether sound attends to the positions of its frame, or all count the same."""
    memory: Literal["inter-and-intra", "inter"] = "inter-and-intra"
    """What sound attends to in the co-attention: frames before and after they are related to one
    another, or after it only."""
    dropout: float = 0.1
    """Dropout of every layer."""

    def __post_init__(self) -> None:
        PairConfig.__post_init__(self)
        if self.width % self.num_heads:
            raise UserError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")


class InstanceAttention(nn.Module):
    """What is heard attends to the positions of its frame, which are added to their mean."""

    def __init__(self, config: AVTConfig) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(
            config.width, config.num_heads, config.dropout, batch_first=True
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, audio_ND: Tensor, map_NPD: Tensor) -> Tensor:
        """Give a vector for each frame, (N, D)."""
        region_NOD, _ = self.attention(audio_ND[:, None], map_NPD, map_NPD, need_weights=False)
        out_ND: Tensor = self.norm(map_NPD.mean(1) + region_NOD.squeeze(1))
        return out_ND


@register
class AVT(PairNetwork):
    """Transformers within frames, over frames and across modalities (AVT-like reconstruction).

    The number of positions is free; a visual stream without positions counts as one.

    Args:
        config: the architecture; left out, the reconstruction's defaults.

    Example:
        >>> network = AVT(AVTConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> tuple(network(streams).score_BTC.shape)
        (2, 10, 29)
    """

    config_class = AVTConfig
    config: AVTConfig
    notes = ("AVT-like reconstruction: the structure of AVT is not public",)

    def __init__(self, config: AVTConfig | None = None) -> None:
        super().__init__(config := config or AVTConfig())
        width, hidden, dropout = config.width, config.feed_forward_width, config.dropout

        def encoder() -> nn.TransformerEncoderLayer:
            return nn.TransformerEncoderLayer(
                width, config.num_heads, hidden, dropout, batch_first=True
            )

        def decoder() -> nn.TransformerDecoderLayer:
            return nn.TransformerDecoderLayer(
                width, config.num_heads, hidden, dropout, batch_first=True
            )

        self.audio_projection = nn.Linear(self.audio_width, width)
        self.map_projection = nn.Linear(self.visual_width, width)
        self.intra_frame = encoder() if config.intra_frame else None
        self.instance = InstanceAttention(config) if config.instance_attention else None
        self.audio_encoder, self.visual_encoder = encoder(), encoder()
        self.audio_decoder, self.visual_decoder = decoder(), decoder()
        self.classifier = nn.Linear(2 * width, len(config.labels) + 1)

    def frames(self, audio_BTD: Tensor, map_BTPD: Tensor) -> Tensor:
        """What each frame shows where it sounds, (B, T, D)."""
        map_NPD = self.map_projection(map_BTPD).flatten(0, 1)
        if self.intra_frame is not None:
            map_NPD = self.intra_frame(map_NPD)
        if self.instance is None:
            frame_ND: Tensor = map_NPD.mean(1)
        else:
            frame_ND = self.instance(audio_BTD.flatten(0, 1), map_NPD)
        return frame_ND.view_as(audio_BTD)

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Relate positions, frames and modalities in turn; classify every segment."""
        audio_BTD, visual = self.read(streams, present_BM)
        visual = visual * present_BM[:, 1].view(-1, *(1,) * (visual.ndim - 1))
        map_BTPD = visual.flatten(2, -2) if visual.ndim > 3 else visual[:, :, None]
        audio_BTD = self.audio_projection(audio_BTD)
        positions_TD = positional_encoding(mask_BT.shape[1], audio_BTD)
        audio_BTD = audio_BTD + positions_TD
        frame_BTD = self.frames(audio_BTD, map_BTPD)
        absent_BT = ~mask_BT
        audio_BTD = self.audio_encoder(audio_BTD, src_key_padding_mask=absent_BT)
        visual_BTD = self.visual_encoder(frame_BTD + positions_TD, src_key_padding_mask=absent_BT)
        memory_BSD, absent_BS = visual_BTD, absent_BT
        if self.config.memory == "inter-and-intra":
            memory_BSD = torch.cat((visual_BTD, frame_BTD), dim=1)
            absent_BS = absent_BT.repeat(1, 2)
        audio_out_BTD = self.audio_decoder(
            audio_BTD,
            memory_BSD,
            tgt_key_padding_mask=absent_BT,
            memory_key_padding_mask=absent_BS,
        )
        visual_out_BTD = self.visual_decoder(
            visual_BTD,
            audio_BTD,
            tgt_key_padding_mask=absent_BT,
            memory_key_padding_mask=absent_BT,
        )
        return Localized(self.classifier(torch.cat((audio_out_BTD, visual_out_BTD), dim=-1)))

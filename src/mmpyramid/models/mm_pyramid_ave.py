"""MM-Pyramid for event localization on AVE (Section 5.1).

The paper describes it in one paragraph and its authors released no code for it. What the text says
is followed: audio-guided attention over the visual map as in prior work, the pyramid, a video-level
category from the temporal mean and a relevance for every segment. What it leaves open is decided
here: both modalities are concatenated before the heads, and weak supervision pools the scores of
segments.

Shape letters: B batch, T segments, D width, C classes, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.localization import (
    AudioGuidedAttention,
    LocalizationConfig,
    LocalizationNetwork,
    check_grid,
    decomposed,
)
from mmpyramid.models.mm_pyramid import PyramidConfig, PyramidEncoder
from mmpyramid.models.network import Encoded, Localized, StreamProjection
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class MMPyramidAVEConfig(LocalizationConfig):
    """The localization network on the published AVE features.

    Raises:
        UserError: if a value cannot make a network.

    Example:
        >>> MMPyramidAVEConfig(head="segments").head
        'segments'
    """

    architecture: ClassVar[str] = "mm-pyramid-ave"

    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    """The encoder: sizes of the units and the parts that they are made of."""
    head: Literal["category", "fused", "segments"] = "category"
    """`category`: C categories from the temporal mean, beside the relevance (full supervision).
    `fused`: C + 1 scores of the temporal mean times the relevance, pooled over time by the
    objective (weak, as CMRAN). `segments`: C + 1 scores of each segment, pooled over time by the
    objective (weak, as AVEL and PSP)."""
    map_size: tuple[int, int] | None = (7, 7)
    """Height and width of the visual map; None for features without positions."""

    def __post_init__(self) -> None:
        LocalizationConfig.__post_init__(self)
        self.pyramid = PyramidConfig.parse(self.pyramid)
        self.pyramid.check_width(self.width)
        self.map_size = None if self.map_size is None else (self.map_size[0], self.map_size[1])
        if self.map_size and (len(self.audio_streams) > 1 or len(self.visual_streams) > 1):
            raise UserError(
                "attention over a visual map takes one audio and one visual stream, got "
                f"{', '.join((*self.audio_streams, *self.visual_streams))}; set map_size to None"
            )


@register
class MMPyramidAVE(LocalizationNetwork):
    """Audio-guided attention, the pyramid, and the category and relevance heads.

    Example:
        >>> import torch
        >>> config = MMPyramidAVEConfig(width=16)
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> output = MMPyramidAVE(config)(streams)
        >>> tuple(output.relevance_BT.shape), tuple(output.score_BTC.shape)
        ((2, 10), (2, 10, 29))
    """

    config_class = MMPyramidAVEConfig
    config: MMPyramidAVEConfig

    def __init__(self, config: MMPyramidAVEConfig | None = None) -> None:
        super().__init__(config := config or MMPyramidAVEConfig())
        self.visual_attention = None
        if config.map_size:
            self.audio_name, self.visual_name = *config.audio_streams, *config.visual_streams
            self.visual_attention = AudioGuidedAttention(
                config.audio_streams[self.audio_name],
                config.visual_streams[self.visual_name],
                num_positions=config.map_size[0] * config.map_size[1],
                hidden_width=config.width,
            )
        self.audio_projection = StreamProjection(config.audio_streams, config.width)
        self.visual_projection = StreamProjection(config.visual_streams, config.width)
        self.encoder = PyramidEncoder(config.width, config.pyramid)
        num_categories = len(config.labels) + (config.head != "category")
        if config.head != "segments":
            self.relevance = nn.Linear(2 * config.width, 1)
        self.category = nn.Linear(2 * config.width, num_categories)

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Attend to the map, project, build the pyramid, fuse it."""
        for name in self.config.visual_streams:
            check_grid(self.config.architecture, name, streams[name], self.config.map_size)
        if self.visual_attention is not None:
            seen_BTD = self.visual_attention(streams[self.audio_name], streams[self.visual_name])
            streams = {**streams, self.visual_name: seen_BTD}
        audio_BTD = self.audio_projection(streams) * present_BM[:, 0, None, None]
        visual_BTD = self.visual_projection(streams) * present_BM[:, 1, None, None]
        encoded: Encoded = self.encoder(audio_BTD, visual_BTD, mask_BT)
        return encoded

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Score what the video shows, and which segments show it."""
        encoded = self.encode(streams, mask_BT, present_BM)
        fused_BTD = encoded.fused_BTMD.flatten(2)
        if self.config.head == "segments":
            weights_BTML = encoded.unit_weights_BTML
            return Localized(self.category(fused_BTD), unit_weights_BTML=weights_BTML)
        relevance_BT = self.relevance(fused_BTD).squeeze(-1)
        exists_BTO = mask_BT[..., None]
        mean_BD = (fused_BTD * exists_BTO).sum(1) / exists_BTO.sum(1)
        category_BC = self.category(mean_BD)
        output = decomposed(relevance_BT, category_BC, is_fused=self.config.head == "fused")
        return output._replace(unit_weights_BTML=encoded.unit_weights_BTML)

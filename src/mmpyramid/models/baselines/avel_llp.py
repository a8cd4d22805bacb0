"""AVEL as a parser (reconstruction): an LSTM for each modality, three branches.

Shape letters: B batch, T segments, D width, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmpyramid.models.baselines.branched import BranchedConfig, BranchedHead
from mmpyramid.models.baselines.recurrent import bidirectional_lstm, run
from mmpyramid.models.outputs import Encoded
from mmpyramid.models.parsing import ParsingNetwork
from mmpyramid.models.projection import StreamProjection


@dataclass(kw_only=True, slots=True)
class AVELParserConfig(BranchedConfig):
    """The network; widths are those of AVEL, the visual front end is HAN's."""

    architecture: ClassVar[str] = "avel-llp"


class AVELParser(ParsingNetwork):
    """AVEL without its attention, for features of LLP have no positions (reconstruction).

    Args:
        config: the architecture.

    Example:
        >>> config = AVELParserConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = AVELParser(config)({"a": torch.ones(2, 7, 4), "v": torch.ones(2, 7, 6)})
        >>> tuple(pooled.prob_BTMC.shape)
        (2, 7, 2, 25)
    """

    notes = ("this use of AVEL is a reconstruction: no code was released for it",)
    config_class = AVELParserConfig
    config: AVELParserConfig

    def __init__(self, config: AVELParserConfig | None = None) -> None:
        super().__init__(config := config or AVELParserConfig())
        self.visual_projection = StreamProjection(config.visual_streams, config.input_width)
        self.audio_lstm = bidirectional_lstm(sum(config.audio_streams.values()), config.width)
        self.visual_lstm = bidirectional_lstm(config.input_width, config.width)

    def make_head(self) -> BranchedHead:
        """Three branches; the joint one reads both modalities side by side."""
        width = self.config.width
        return BranchedHead(width, 2 * width, self.config.head_width, len(self.config.labels))

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Read each modality in both directions."""
        here_BMOO = present_BM[..., None, None]
        audio_BTD = torch.cat([streams[name] for name in self.inputs.audio], dim=-1)
        audio_BTD, _ = run(self.audio_lstm, audio_BTD * here_BMOO[:, 0], mask_BT)
        visual_BTD = self.visual_projection(streams) * here_BMOO[:, 1]
        visual_BTD, _ = run(self.visual_lstm, visual_BTD, mask_BT)
        both = (audio_BTD * here_BMOO[:, 0], visual_BTD * here_BMOO[:, 1])
        features_BTMD = torch.stack(both, dim=2)
        return Encoded(fused_BTMD=features_BTMD, projected_BTMD=features_BTMD)

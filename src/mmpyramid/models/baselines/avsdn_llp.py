"""AVSDN as a parser (reconstruction of a reconstruction): encoders and decoder, three branches.

Shape letters: B batch, T segments, D width, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmpyramid.models.baselines.avsdn import SequenceToSequence
from mmpyramid.models.baselines.branched import BranchedConfig, BranchedHead
from mmpyramid.models.outputs import Encoded
from mmpyramid.models.parsing import ParsingNetwork
from mmpyramid.models.projection import StreamProjection


@dataclass(kw_only=True, slots=True)
class AVSDNParserConfig(BranchedConfig):
    """The network; widths are those of AVSDN, the visual front end is HAN's."""

    architecture: ClassVar[str] = "avsdn-llp"


class DecodedHead(BranchedHead):
    """Three branches; the joint one reads what was decoded, which either modality carries along."""

    def joint_features(self, x_BTMD: Tensor) -> Tensor:
        """What was decoded, (B, T, D)."""
        return x_BTMD[:, :, 0, self.width :]


class AVSDNParser(ParsingNetwork):
    """AVSDN whose encoders are heard and seen, and whose decoder tells the video (reconstruction).

    Args:
        config: the architecture.

    Example:
        >>> config = AVSDNParserConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = AVSDNParser(config)({"a": torch.ones(2, 7, 4), "v": torch.ones(2, 7, 6)})
        >>> tuple(pooled.prob_BTMC.shape)
        (2, 7, 2, 25)
    """

    notes = ("this use of AVSDN is a reconstruction: no code was released for it",)
    config_class = AVSDNParserConfig
    config: AVSDNParserConfig

    def __init__(self, config: AVSDNParserConfig | None = None) -> None:
        super().__init__(config := config or AVSDNParserConfig())
        self.visual_projection = StreamProjection(config.visual_streams, config.input_width)
        self.sequence = SequenceToSequence(
            sum(config.audio_streams.values()), config.input_width, config.width
        )

    def make_head(self) -> DecodedHead:
        """Three branches."""
        width = self.config.width
        return DecodedHead(width, width, self.config.head_width, len(self.config.labels))

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Encode each modality, decode both; the decoded half is the same in both modalities."""
        here_BMOO = present_BM[..., None, None]
        audio_BTD = torch.cat([streams[name] for name in self.inputs.audio], dim=-1)
        audio_BTD = audio_BTD * here_BMOO[:, 0]
        visual_BTD = self.visual_projection(streams) * here_BMOO[:, 1]
        decoded_BTD, *encoded = self.sequence(audio_BTD, visual_BTD, mask_BT)
        own_BTMD = torch.stack(encoded, dim=2)
        joint_BTMD = decoded_BTD[:, :, None].expand_as(own_BTMD)
        features_BTMD = torch.cat((own_BTMD, joint_BTMD), dim=-1)
        return Encoded(fused_BTMD=features_BTMD, projected_BTMD=own_BTMD)

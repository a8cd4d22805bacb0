"""AVSDN, a dual-modality sequence-to-sequence network (Lin, Li, Wang, ICASSP 2019).

A reconstruction: its authors released no code. This follows the one that the authors of CPSP wrote
to compare with (github.com/jasongief/CPSP): two LSTMs encode both streams, residual fusion of their
last states starts a third that reads the segments of both, and the task is decomposed as in CMRAN.
As described, the original classifies every segment in 29 ways instead. `AVSDNParser` is its use for
parsing, a reconstruction of this reconstruction: encoders and decoder, three branches.

Shape letters: B batch, T segments, D width, E width of one direction, S directions (2), M
modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.models.baselines.parts import (
    BranchedConfig,
    BranchedHead,
    DecomposedHead,
    GuidedConfig,
    GuidedNetwork,
    Head,
    ResidualFusion,
    bidirectional_lstm,
    run,
)
from mmpyramid.models.network import Encoded, Localized, StreamProjection
from mmpyramid.models.parsing import ParsingNetwork
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class AVSDNConfig(GuidedConfig):
    """The network; the defaults are those of the re-implementation that is followed.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "avsdn"

    width: int = 256
    """D, what both directions of an LSTM give together."""
    head: Head = "category"
    """`category` for full supervision, `fused` for weak supervision."""


class SequenceToSequence(nn.Module):
    """Encode two streams, fuse their last states, decode both streams from there.

    Args:
        audio_width: width of the audio stream.
        visual_width: width of the visual stream.
        width: D.
    """

    def __init__(self, audio_width: int, visual_width: int, width: int) -> None:
        super().__init__()
        self.audio_encoder = bidirectional_lstm(audio_width, width)
        self.visual_encoder = bidirectional_lstm(visual_width, width)
        self.fusion = ResidualFusion(width // 2)
        self.decoder = bidirectional_lstm(audio_width + visual_width, width)

    def forward(
        self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Give both decoded, and audio and visual features as encoded, (B, T, D) each.

        Hidden and cell states are fused by the same block.
        """
        audio_out_BTD, audio_states = run(self.audio_encoder, audio_BTD, mask_BT)
        visual_out_BTD, visual_states = run(self.visual_encoder, visual_BTD, mask_BT)
        hidden_SBE, cell_SBE = (
            self.fusion(audio_SBE.relu(), visual_SBE.relu()).to(audio_SBE.dtype)
            for audio_SBE, visual_SBE in zip(audio_states, visual_states, strict=True)
        )
        both_BTD = torch.cat((audio_BTD, visual_BTD), dim=-1)
        out_BTD, _ = run(self.decoder, both_BTD, mask_BT, (hidden_SBE, cell_SBE))
        return out_BTD, audio_out_BTD, visual_out_BTD


@register
class AVSDN(GuidedNetwork):
    """Dual-modality sequence-to-sequence network (reconstruction).

    Args:
        config: the architecture; left out, that of the re-implementation, fully supervised.

    Example:
        >>> network = AVSDN(AVSDNConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> output = network(streams)
        >>> tuple(output.relevance_BT.shape), tuple(output.category_BC.shape)
        ((2, 10), (2, 28))
    """

    config_class = AVSDNConfig
    config: AVSDNConfig
    notes = ("AVSDN is a reconstruction: its authors released no code",)

    def __init__(self, config: AVSDNConfig | None = None) -> None:
        super().__init__(config := config or AVSDNConfig())
        self.sequence = SequenceToSequence(self.audio_width, self.visual_width, config.width)
        self.head = DecomposedHead(config.width, len(config.labels), config.head, pool="mean")
        for layer in (self.head.relevance, self.head.category):
            nn.init.xavier_uniform_(layer.weight)

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Attend to the map, encode and decode, decompose the task."""
        audio_BTD, visual = self.read(streams, present_BM)
        visual_BTD = self.attend(audio_BTD, visual, present_BM)
        decoded_BTD, _, _ = self.sequence(audio_BTD, visual_BTD, mask_BT)
        output: Localized = self.head(decoded_BTD.relu(), mask_BT)
        return output


@dataclass(kw_only=True, slots=True)
class AVSDNParserConfig(BranchedConfig):
    """The network; widths are those of AVSDN, the visual front end is HAN's."""

    architecture: ClassVar[str] = "avsdn-llp"


class DecodedHead(BranchedHead):
    """Three branches; the joint one reads what was decoded, which either modality carries along."""

    def joint_features(self, x_BTMD: Tensor) -> Tensor:
        """What was decoded, (B, T, D)."""
        return x_BTMD[:, :, 0, self.width :]


@register
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

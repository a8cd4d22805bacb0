"""AVEL, the first network for audio-visual event localization, and DMRN (Tian et al., ECCV 2018).

Follows the released code (github.com/YapengTian/AVE-ECCV18): audio-guided attention, one LSTM for
each modality, a classifier of segments. One network serves full and weak supervision; they differ
in the objective. The softmax at its end is left to the objective and to who reads the scores.
`AVELParser` is its use for parsing, a reconstruction: an LSTM for each modality, three branches.

Shape letters: B batch, T segments, D width, C classes, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from mmpyramid.models.baselines.parts import (
    BranchedConfig,
    BranchedHead,
    GuidedConfig,
    GuidedNetwork,
    ResidualFusion,
    bidirectional_lstm,
    run,
)
from mmpyramid.models.network import Encoded, Localized, StreamProjection
from mmpyramid.models.parsing import ParsingNetwork
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class AVELConfig(GuidedConfig):
    """The network; the defaults are what its authors released as `AV_att`.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "avel"

    width: int = 256
    """D, what both directions of an LSTM give together."""
    head_width: int = 64
    """Hidden width of the classifier of concatenated features."""
    fusion: Literal["concatenated", "residual"] = "concatenated"
    """`concatenated`: both modalities side by side (A+V-att). `residual`: the block of DMRN."""


class ConcatenatedClassifier(nn.Module):
    """Both modalities side by side, a hidden layer, a score for each class."""

    def __init__(self, config: AVELConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * config.width, config.head_width)
        self.output = nn.Linear(config.head_width, len(config.labels) + 1)
        for layer in (self.hidden, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor) -> Tensor:
        """Give (B, T, C + 1)."""
        both_BTD = torch.cat((audio_BTD, visual_BTD), dim=-1).relu()
        out: Tensor = self.output(self.hidden(both_BTD).relu())
        return out


class ResidualClassifier(nn.Module):
    """Both modalities in one by residual fusion, a score for each class (DMRN)."""

    def __init__(self, config: AVELConfig) -> None:
        super().__init__()
        self.fusion = ResidualFusion(config.width)
        self.output = nn.Linear(config.width, len(config.labels) + 1)
        nn.init.xavier_uniform_(self.output.weight)

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor) -> Tensor:
        """Give (B, T, C + 1)."""
        out: Tensor = self.output(self.fusion(audio_BTD, visual_BTD))
        return out


@register
class AVEL(GuidedNetwork):
    """Audio-guided attention and two LSTMs; every segment is one of C events or background.

    Released DMRN starts from a trained A+V-att; ours starts with fresh weights.

    Args:
        config: the architecture; left out, the released network.

    Example:
        >>> network = AVEL(AVELConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> tuple(network(streams).score_BTC.shape)
        (2, 10, 29)
    """

    config_class = AVELConfig
    config: AVELConfig

    def __init__(self, config: AVELConfig | None = None) -> None:
        super().__init__(config := config or AVELConfig())
        self.audio_lstm = bidirectional_lstm(self.audio_width, config.width)
        self.visual_lstm = bidirectional_lstm(self.visual_width, config.width)
        residual = config.fusion == "residual"
        self.classifier = (ResidualClassifier if residual else ConcatenatedClassifier)(config)

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Attend to the map, read both streams, classify every segment."""
        audio_BTD, visual = self.read(streams, present_BM)
        visual_BTD = self.attend(audio_BTD, visual, present_BM)
        audio_BTD, _ = run(self.audio_lstm, audio_BTD, mask_BT)
        visual_BTD, _ = run(self.visual_lstm, visual_BTD, mask_BT)
        return Localized(self.classifier(audio_BTD, visual_BTD))


@dataclass(kw_only=True, slots=True)
class AVELParserConfig(BranchedConfig):
    """The network; widths are those of AVEL, the visual front end is HAN's."""

    architecture: ClassVar[str] = "avel-llp"


@register
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

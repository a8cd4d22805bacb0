"""MM-Pyramid's encoder as a part of other networks, the future work of the paper (Section 6).

`PyramidPlugin` takes two sequences of any widths and gives two of the same shapes, so that it can
stand in front of anything that reads a modality each. Here it stands in front of HAN, CMRAN and
PSP, which keep their streams, their layers and their heads.

Shape letters: B batch, T segments, A audio width, V visual width, D width of the pyramid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.models.baselines.cmran import CMRAN, CMRANConfig
from mmpyramid.models.baselines.psp import PSP, PSPConfig
from mmpyramid.models.han import HAN, HANConfig
from mmpyramid.models.mm_pyramid import PyramidConfig, PyramidEncoder
from mmpyramid.models.registry import register


class PyramidPlugin(nn.Module):
    """Adds to each of two sequences what the pyramid makes of both.

    `audio + O_a(pyramid(P_a(audio), P_v(visual)))`, and the same for the other one. The projections
    out of the pyramid start at zero: a network computes the same with and without the part until
    it is trained, and trained weights of the network keep what they know.

    Args:
        audio_width: A.
        visual_width: V.
        width: D, a multiple of the number of heads.
        config: of the pyramid; left out, as released.

    Raises:
        UserError: if the heads cannot share the width.

    Example:
        >>> plugin = PyramidPlugin(128, 512, width=64)
        >>> audio, visual = plugin(torch.ones(2, 10, 128), torch.ones(2, 10, 512))
        >>> tuple(audio.shape), tuple(visual.shape)
        ((2, 10, 128), (2, 10, 512))
    """

    def __init__(
        self, audio_width: int, visual_width: int, width: int, config: PyramidConfig | None = None
    ) -> None:
        super().__init__()
        config = config or PyramidConfig()
        config.check_width(width)
        self.audio_input = nn.Linear(audio_width, width)
        self.visual_input = nn.Linear(visual_width, width)
        self.encoder = PyramidEncoder(width, config)
        self.audio_output = nn.Linear(width, audio_width)
        self.visual_output = nn.Linear(width, visual_width)
        for layer in (self.audio_output, self.visual_output):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, audio_BTA: Tensor, visual_BTV: Tensor, mask_BT: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Give audio (B, T, A) and visual features (B, T, V).

        Args:
            audio_BTA: one sequence.
            visual_BTV: another one of the same length.
            mask_BT: True where a segment exists; left out, everywhere.
        """
        if mask_BT is None:
            mask_BT = torch.ones(audio_BTA.shape[:2], dtype=torch.bool, device=audio_BTA.device)
        encoded = self.encoder(self.audio_input(audio_BTA), self.visual_input(visual_BTV), mask_BT)
        audio_BTD, visual_BTD = encoded.fused_BTMD.unbind(2)
        return (
            audio_BTA + self.audio_output(audio_BTD),
            visual_BTV + self.visual_output(visual_BTD),
        )


class _BehindPyramid(nn.Module):
    """A network that reads what its `front` gives, two sequences, behind the pyramid."""

    plugin: PyramidPlugin

    def front(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the network reads, with what the pyramid adds."""
        both = super().front(streams, mask_BT, present_BM)  # type: ignore[misc]
        audio_BTA, visual_BTV = self.plugin(*both, mask_BT)
        return audio_BTA, visual_BTV


@dataclass(kw_only=True, slots=True)
class HANPyramidConfig(HANConfig):
    """HAN behind the pyramid.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "han-pyramid"

    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    """The part in front."""

    def __post_init__(self) -> None:
        HANConfig.__post_init__(self)
        self.pyramid = PyramidConfig.parse(self.pyramid)
        self.pyramid.check_width(self.width)


@register
class HANPyramid(_BehindPyramid, HAN):
    """HAN, whose layer reads projected features behind the pyramid.

    Args:
        config: the architecture.

    Example:
        >>> config = HANPyramidConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = HANPyramid(config)({"a": torch.zeros(2, 7, 4), "v": torch.zeros(2, 7, 6)})
        >>> tuple(pooled.prob_BTMC.shape)
        (2, 7, 2, 25)
    """

    config_class = HANPyramidConfig
    config: HANPyramidConfig

    def __init__(self, config: HANPyramidConfig | None = None) -> None:
        super().__init__(config := config or HANPyramidConfig())
        self.plugin = PyramidPlugin(config.width, config.width, config.width, config.pyramid)


@dataclass(kw_only=True, slots=True)
class CMRANPyramidConfig(CMRANConfig):
    """CMRAN behind the pyramid.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "cmran-pyramid"

    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    """The part in front."""

    def __post_init__(self) -> None:
        CMRANConfig.__post_init__(self)
        self.pyramid = PyramidConfig.parse(self.pyramid)
        self.pyramid.check_width(self.width)


@register
class CMRANPyramid(_BehindPyramid, CMRAN):
    """CMRAN, whose encoders and decoders read audio and attended vision behind the pyramid.

    Args:
        config: the architecture.

    Example:
        >>> network = CMRANPyramid(CMRANPyramidConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> tuple(network(streams).relevance_BT.shape)
        (2, 10)
    """

    config_class = CMRANPyramidConfig
    config: CMRANPyramidConfig

    def __init__(self, config: CMRANPyramidConfig | None = None) -> None:
        super().__init__(config := config or CMRANPyramidConfig())
        self.plugin = PyramidPlugin(
            self.audio_width, 2 * config.width, config.width, config.pyramid
        )


@dataclass(kw_only=True, slots=True)
class PSPPyramidConfig(PSPConfig):
    """PSP behind the pyramid.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "psp-pyramid"

    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    """The part in front."""

    def __post_init__(self) -> None:
        PSPConfig.__post_init__(self)
        self.pyramid = PyramidConfig.parse(self.pyramid)
        self.pyramid.check_width(self.width)


@register
class PSPPyramid(_BehindPyramid, PSP):
    """PSP, whose LSTMs read projected features behind the pyramid.

    Args:
        config: the architecture.

    Example:
        >>> network = PSPPyramid(PSPPyramidConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> tuple(network(streams).score_BTC.shape)
        (2, 10, 29)
    """

    config_class = PSPPyramidConfig
    config: PSPPyramidConfig

    def __init__(self, config: PSPPyramidConfig | None = None) -> None:
        super().__init__(config := config or PSPPyramidConfig())
        self.plugin = PyramidPlugin(
            self.audio_lstm.input_size, self.visual_lstm.input_size, config.width, config.pyramid
        )

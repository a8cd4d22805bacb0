"""MM-Pyramid for video parsing (Yu et al., ACM MM 2022), the network of Figure 2.

Shape letters: B batch, T segments, D width, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from mmpyramid.models.encoder import PyramidConfig, PyramidEncoder
from mmpyramid.models.outputs import Encoded
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork
from mmpyramid.models.projection import StreamProjection


@dataclass(kw_only=True, slots=True)
class MMPyramidConfig(ParsingConfig):
    """The network; the defaults are what its authors released for LLP.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "mm-pyramid"

    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    """The encoder: sizes of the units and the parts that they are made of."""
    swap_streams: bool = False
    """True repeats the released code's exchange: the stream that it reads as audio is visual."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        self.pyramid = PyramidConfig.parse(self.pyramid)
        self.pyramid.check_width(self.width)


class MMPyramid(ParsingNetwork):
    """Multimodal Pyramid Attentional Network with attentive MMIL pooling.

    Args:
        config: the architecture; left out, the released network for LLP.

    Example:
        >>> import torch
        >>> config = MMPyramidConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = MMPyramid(config)({"a": torch.zeros(2, 7, 4), "v": torch.zeros(2, 7, 6)})
        >>> tuple(pooled.prob_BTMC.shape), tuple(pooled.video_BC.shape)
        ((2, 7, 2, 25), (2, 25))
    """

    config_class = MMPyramidConfig
    config: MMPyramidConfig

    def __init__(self, config: MMPyramidConfig | None = None) -> None:
        super().__init__(config := config or MMPyramidConfig())
        self.audio_projection = StreamProjection(config.audio_streams, config.width)
        self.visual_projection = StreamProjection(config.visual_streams, config.width)
        self.encoder = PyramidEncoder(config.width, config.pyramid)

    @property
    def encoder_reach(self) -> int:
        """Attention and convolution of every unit reach as far as its size each."""
        return 2 * sum(self.config.pyramid.windows)

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Project, build the pyramid, fuse it: Figure 2 from left to right."""
        audio_BTD = self.audio_projection(streams) * present_BM[:, 0, None, None]
        visual_BTD = self.visual_projection(streams) * present_BM[:, 1, None, None]
        encoded: Encoded = self.encoder(audio_BTD, visual_BTD, mask_BT)
        if self.config.swap_streams:
            return encoded._replace(fused_BTMD=encoded.fused_BTMD.flip(2))
        return encoded

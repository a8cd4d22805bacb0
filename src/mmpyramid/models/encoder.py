"""The encoder of MM-Pyramid, the same for both tasks: pyramid, then fusion of its units.

Shape letters: B batch, T segments, D width, L units, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import TransformerLayer
from mmpyramid.models.fusion import FUSIONS, UnitAttention
from mmpyramid.models.outputs import Encoded
from mmpyramid.models.pyramid import AttentiveFeaturePyramid, PyramidUnit
from mmpyramid.models.settings import check_settings


@dataclass(kw_only=True, slots=True)
class PyramidConfig:
    """The encoder; the defaults are what the authors released.

    Raises:
        UserError: if a value cannot make an encoder.
    """

    windows: tuple[int, ...] = (1, 2, 4, 8)
    """Size of each unit in segments: half-width of its attention window, and its dilation."""
    num_heads: int = 8
    """Heads of every attention."""
    dropout: float = 0.2
    """Dropout of residual branches and feed-forward parts."""
    attention_dropout: float = 0.1
    """Dropout of attention probabilities."""
    block: Literal["residual", "convolution", "none"] = "residual"
    """What follows the gates of a unit: the dilated residual block, its convolution, nothing."""
    fusion: Literal["semantic", "selective", "average", "last"] = "semantic"
    """How units become one feature: attention and selection, selection only, attention and mean,
    or the last unit alone."""
    share_cross_attention: bool = True
    """One layer for both directions of cross-modal attention, or one each."""
    tied_initialization: bool = True
    """True starts the copies of a layer from equal weights, as the released code does."""

    def __post_init__(self) -> None:
        check_settings(self)
        self.windows = tuple(self.windows)
        if not self.windows or min(self.windows) < 1:
            raise UserError(
                f"windows should be one or more sizes of at least 1, got {self.windows}"
            )

    def check_width(self, width: int) -> None:
        """Refuse a width that the heads cannot share.

        Raises:
            UserError: if it is no multiple of their number.
        """
        if width % self.num_heads:
            raise UserError(f"width {width} is no multiple of num_heads {self.num_heads}")

    @classmethod
    def parse(cls, values: PyramidConfig | Mapping[str, Any]) -> PyramidConfig:
        """Take a configuration, or one as a checkpoint holds it."""
        return values if isinstance(values, PyramidConfig) else cls(**values)


class PyramidEncoder(nn.Module):
    """Attentive feature pyramid and adaptive semantic fusion (Section 4).

    Args:
        width: D.
        config: sizes and parts.
    """

    def __init__(self, width: int, config: PyramidConfig) -> None:
        super().__init__()

        def layer(window: int | None = None) -> TransformerLayer:
            return TransformerLayer(
                width, config.num_heads, window, config.dropout, config.attention_dropout
            )

        self.pyramid = AttentiveFeaturePyramid(
            [
                PyramidUnit(
                    width,
                    window,
                    layer,
                    block=config.block,
                    share_cross_attention=config.share_cross_attention,
                )
                for window in config.windows
            ]
        )
        self.audio_fusion = FUSIONS[config.fusion](width, layer)
        self.visual_fusion = FUSIONS[config.fusion](width, layer)
        if config.tied_initialization:
            self._tie_initialization()

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor) -> Encoded:
        """Build the pyramid and fuse it; audio is modality 0 of the result."""
        audio_BTLD, visual_BTLD = self.pyramid(audio_BTD, visual_BTD, mask_BT)
        audio_fused_BTD, audio_weight_BTL = self.audio_fusion(audio_BTLD)
        visual_fused_BTD, visual_weight_BTL = self.visual_fusion(visual_BTLD)
        weights_BTML = None
        if audio_weight_BTL is not None:
            weights_BTML = torch.stack((audio_weight_BTL, visual_weight_BTL), dim=2)
        return Encoded(
            fused_BTMD=torch.stack((audio_fused_BTD, visual_fused_BTD), dim=2),
            projected_BTMD=torch.stack((audio_BTD, visual_BTD), dim=2),
            unit_weights_BTML=weights_BTML,
        )

    def _tie_initialization(self) -> None:
        """Start copies from equal weights, as deep copies do in the released code.

        The four projections of one attention are equal, so are the feed-forward parts of all
        pyramid layers, and so are the two fusion layers.
        """
        for module in self.modules():
            if isinstance(module, TransformerLayer):
                attention = module.attention
                for projection in (attention.key, attention.value, attention.output):
                    projection.load_state_dict(attention.query.state_dict())
        in_pyramid = [m for m in self.pyramid.modules() if isinstance(m, TransformerLayer)]
        for layer in in_pyramid[1:]:
            layer.feed_forward.load_state_dict(in_pyramid[0].feed_forward.state_dict())
        if isinstance(self.audio_fusion, UnitAttention):
            audio_layer = self.audio_fusion.unit_attention
            assert isinstance(self.visual_fusion, UnitAttention)
            self.visual_fusion.unit_attention.load_state_dict(audio_layer.state_dict())

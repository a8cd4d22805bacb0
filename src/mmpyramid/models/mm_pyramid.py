"""MM-Pyramid for video parsing (Yu et al., ACM MM 2022): the network of Figures 2 and 3.

From the bottom: gate, dilated block and unit; the pyramid of units; the fusion of its units; the
network. `PyramidEncoder`, the part between projections and head, serves event localization as well.

Shape letters: B batch, T segments, D width, L units, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import TransformerLayer, positional_encoding
from mmpyramid.models.network import (
    LARGEST_SIZE,
    Encoded,
    StreamProjection,
    check_settings,
)
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork
from mmpyramid.models.registry import register

MOST_UNITS = 100

Block: TypeAlias = Literal["residual", "convolution", "none"]
Fusion: TypeAlias = Literal["semantic", "selective", "average", "last"]


@dataclass(kw_only=True, slots=True)
class PyramidConfig:
    """The encoder; the defaults are what the authors released.

    Raises:
        UserError: if a value cannot make an encoder.

    Example:
        >>> len(PyramidConfig(windows=(1, 2, 4, 8, 16)).windows)
        5
    """

    windows: tuple[int, ...] = (1, 2, 4, 8)
    """Size of each unit in segments: half-width of its attention window, and its dilation."""
    num_heads: int = 8
    """Heads of every attention."""
    dropout: float = 0.2
    """Dropout of residual branches and feed-forward parts."""
    attention_dropout: float = 0.1
    """Dropout of attention probabilities."""
    block: Block = "residual"
    """What follows the gates of a unit: the dilated residual block, its convolution, nothing."""
    fusion: Fusion = "semantic"
    """How units become one feature: attention and selection, selection only, attention and mean,
    or the last unit alone."""
    share_cross_attention: bool = True
    """One layer for both directions of cross-modal attention, or one each."""
    causal: bool = False
    """Whether the dilated convolution reads a segment and those before it, not those after it;
    attention sees both sides either way."""
    positions: bool = False
    """Whether sines and cosines of the position are added before the first unit."""
    tied_initialization: bool = True
    """True starts the copies of a layer from equal weights, as the released code does."""

    def __post_init__(self) -> None:
        check_settings(self)
        self.windows = tuple(self.windows)
        if not self.windows or min(self.windows) < 1:
            raise UserError(
                f"windows should be one or more sizes of at least 1, got {self.windows}"
            )
        if len(self.windows) > MOST_UNITS or max(self.windows) > LARGEST_SIZE:
            raise UserError(
                f"windows should be at most {MOST_UNITS} sizes of at most {LARGEST_SIZE}, got "
                f"{len(self.windows)} up to {max(self.windows)}"
            )

    def check_width(self, width: int) -> None:
        """Refuse a width that the heads cannot share.

        Raises:
            UserError: if it is not a multiple of their number.
        """
        if width % self.num_heads:
            raise UserError(f"width {width} is not a multiple of num_heads {self.num_heads}")
        if self.positions and width % 2:
            raise UserError(f"positions come in pairs; width should be even, got {width}")

    @classmethod
    def parse(cls, values: PyramidConfig | Mapping[str, Any]) -> PyramidConfig:
        """Take a configuration, or one as a checkpoint holds it."""
        return values if isinstance(values, PyramidConfig) else cls(**values)


class ChannelGate(nn.Module):
    """Per-channel gates that weigh self-attention against cross-modal attention (Eq. 5-6)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_gate = nn.Linear(2 * width, width)
        self.cross_gate = nn.Linear(2 * width, width)

    def forward(self, self_BTD: Tensor, cross_BTD: Tensor) -> Tensor:
        """Give `gate_1 * self + gate_2 * cross`, (B, T, D)."""
        both = torch.cat((self_BTD, cross_BTD), dim=-1)
        from_self = torch.sigmoid(self.self_gate(both)) * self_BTD
        return from_self + torch.sigmoid(self.cross_gate(both)) * cross_BTD


class DilatedBlock(nn.Module):
    """Dilated convolution over time, 1x1 convolution, residual connection (Eq. 7-8).

    Follows the released code: the residual is the block's own input, and a ReLU, absent from Eq. 8,
    follows the sum.

    Args:
        width: D.
        dilation: distance of the taps in segments.
        kind: `residual` is the block; `convolution` has the dilated convolution alone ("w/o
            residual"), `none` nothing at all ("w/o conv").
        causal: all taps lie at the segment and before it.
    """

    def __init__(self, width: int, dilation: int, kind: Block, *, causal: bool = False) -> None:
        super().__init__()
        self.dilated, self.pointwise = None, None
        self.causal_padding = 2 * dilation if causal else 0
        if kind != "none":
            padding = 0 if causal else dilation
            self.dilated = nn.Conv1d(width, width, 3, padding=padding, dilation=dilation)
        if kind == "residual":
            self.pointwise = nn.Conv1d(width, width, 1)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, D); padded segments count as the zeros beyond the end of a video."""
        x_BTD = x_BTD * mask_BT[..., None]
        if self.dilated is None:
            return x_BTD
        x_BDT = x_BTD.mT
        if self.causal_padding:
            x_BDT = F.pad(x_BDT, (self.causal_padding, 0))
        hidden_BDT = torch.relu(self.dilated(x_BDT))
        if self.pointwise is None:
            return hidden_BDT.mT
        return torch.relu(x_BTD + self.pointwise(hidden_BDT).mT)


class PyramidUnit(nn.Module):
    """One unit of the pyramid: attention within and across modalities, gates, dilated block.

    Args:
        width: D.
        window: size of the unit in segments: half-width of the attention window and the dilation.
        config: the other sizes, and parts.
    """

    def __init__(self, width: int, window: int, config: PyramidConfig) -> None:
        super().__init__()

        def layer() -> TransformerLayer:
            return TransformerLayer(
                width, config.num_heads, window, config.dropout, config.attention_dropout
            )

        self.audio_attention, self.visual_attention = layer(), layer()
        self.cross_attention = layer()
        self.visual_cross_attention = None if config.share_cross_attention else layer()
        self.audio_gate, self.visual_gate = ChannelGate(width), ChannelGate(width)
        self.audio_block, self.visual_block = (
            DilatedBlock(width, window, config.block, causal=config.causal) for _ in range(2)
        )

    def forward(
        self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the unit's audio and visual features, (B, T, D) each."""
        audio_self = self.audio_attention(audio_BTD, audio_BTD, mask_BT)
        visual_self = self.visual_attention(visual_BTD, visual_BTD, mask_BT)
        if self.visual_cross_attention is not None:
            audio_cross = self.cross_attention(audio_BTD, visual_BTD, mask_BT)
            visual_cross = self.visual_cross_attention(visual_BTD, audio_BTD, mask_BT)
        else:  # Directions that share the layer go through it as one batch.
            query_BTD = torch.cat((audio_BTD, visual_BTD))
            other_BTD = torch.cat((visual_BTD, audio_BTD))
            crossed_BTD = self.cross_attention(query_BTD, other_BTD, mask_BT.repeat(2, 1))
            B = audio_BTD.shape[0]
            audio_cross, visual_cross = crossed_BTD[:B], crossed_BTD[B:]
        audio = self.audio_block(self.audio_gate(audio_self, audio_cross), mask_BT)
        visual = self.visual_block(self.visual_gate(visual_self, visual_cross), mask_BT)
        return audio, visual


class AttentiveFeaturePyramid(nn.Module):
    """L units in a row; the features of every unit are kept (Section 4.1)."""

    def __init__(self, width: int, config: PyramidConfig) -> None:
        super().__init__()
        self.has_positions = config.positions
        self.units = nn.ModuleList(PyramidUnit(width, window, config) for window in config.windows)

    def forward(
        self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the pyramid features of both modalities, (B, T, L, D) each."""
        if self.has_positions:
            positions_TD = positional_encoding(mask_BT.shape[1], audio_BTD)
            audio_BTD, visual_BTD = audio_BTD + positions_TD, visual_BTD + positions_TD
        audio_levels, visual_levels = [], []
        for unit in self.units:
            audio_BTD, visual_BTD = unit(audio_BTD, visual_BTD, mask_BT)
            audio_levels.append(audio_BTD)
            visual_levels.append(visual_BTD)
        return torch.stack(audio_levels, dim=2), torch.stack(visual_levels, dim=2)


class AdaptiveFusion(nn.Module):
    """Adaptive semantic fusion: from the features of all units to one (Section 4.2).

    Args:
        width: D.
        config: its `fusion` says which parts there are. `semantic`: attention over the units of
            each segment (Eq. 9; the release has a whole transformer layer of it), then a weight
            within 0..1 for each unit (Eq. 10-11). `selective`: the weights alone ("w/o ULA").
            `average`: attention, then the mean ("w/o SF"). `last`: the last unit alone.
    """

    def __init__(self, width: int, config: PyramidConfig) -> None:
        super().__init__()
        self.kind = config.fusion
        self.unit_attention, self.selection = None, None
        if self.kind in {"semantic", "average"}:
            self.unit_attention = TransformerLayer(
                width, config.num_heads, None, config.dropout, config.attention_dropout
            )
        if self.kind in {"semantic", "selective"}:
            self.selection = nn.Linear(width, 1)

    def forward(self, units_BTLD: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give the fused features (B, T, D), and the weight of each unit in them (B, T, L)."""
        if self.kind == "last":
            return units_BTLD[:, :, -1], None
        if self.unit_attention is not None:
            units = units_BTLD.flatten(0, 1)
            every_unit = torch.ones(units.shape[:2], dtype=torch.bool, device=units.device)
            units_BTLD = self.unit_attention(units, units, every_unit).view_as(units_BTLD)
        if self.selection is None:
            return units_BTLD.mean(2), None
        weight_BTL = torch.sigmoid(self.selection(units_BTLD)).squeeze(-1)
        return torch.einsum("btl,btld->btd", weight_BTL, units_BTLD), weight_BTL


class PyramidEncoder(nn.Module):
    """Attentive feature pyramid and adaptive semantic fusion (Section 4), for either task.

    Args:
        width: D.
        config: sizes and parts.
    """

    def __init__(self, width: int, config: PyramidConfig) -> None:
        super().__init__()
        self.pyramid = AttentiveFeaturePyramid(width, config)
        self.audio_fusion = AdaptiveFusion(width, config)
        self.visual_fusion = AdaptiveFusion(width, config)
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
        audio_layer, visual_layer = (
            fusion.unit_attention for fusion in (self.audio_fusion, self.visual_fusion)
        )
        if audio_layer is not None and visual_layer is not None:
            visual_layer.load_state_dict(audio_layer.state_dict())


@dataclass(kw_only=True, slots=True)
class MMPyramidConfig(ParsingConfig):
    """The network; the defaults are what its authors released for LLP.

    Raises:
        UserError: if a value cannot make a network.

    Example:
        >>> MMPyramidConfig(pyramid=PyramidConfig(windows=(1, 2))).pyramid.windows
        (1, 2)
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


@register
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
    def encoder_reach(self) -> int | None:
        """Attention and convolution of every unit reach as far as its size each.

        A causal convolution reaches twice as far to one side. A position tells how far the start of
        the video is, so that with positions all of it counts.
        """
        pyramid = self.config.pyramid
        if pyramid.positions:
            return None
        return (3 if pyramid.causal else 2) * sum(pyramid.windows)

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Project, build the pyramid, fuse it: Figure 2 from left to right."""
        audio_BTD = self.audio_projection(streams) * present_BM[:, 0, None, None]
        visual_BTD = self.visual_projection(streams) * present_BM[:, 1, None, None]
        encoded: Encoded = self.encoder(audio_BTD, visual_BTD, mask_BT)
        if self.config.swap_streams:
            return encoded._replace(fused_BTMD=encoded.fused_BTMD.flip(2))
        return encoded

"""MM-Pyramid (Yu et al., ACM MM 2022), the network of Figure 2.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), L pyramid units.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from mmpyramid.data.batch import Streams
from mmpyramid.errors import UserError
from mmpyramid.labels import LLP_LABELS
from mmpyramid.models.attention import TransformerLayer
from mmpyramid.models.base import Encoded, ParsingNetwork
from mmpyramid.models.fusion import SemanticFusion
from mmpyramid.models.heads import AttentiveMMIL
from mmpyramid.models.pyramid import AttentiveFeaturePyramid, PyramidUnit


@dataclass(kw_only=True, slots=True)
class MMPyramidConfig:
    """The network; the defaults are what its authors released for LLP.

    Raises:
        UserError: if a value cannot make a network.
    """

    labels: tuple[str, ...] = LLP_LABELS
    """Class names in the order of the outputs."""
    audio_streams: dict[str, int] = field(default_factory=lambda: {"vggish": 128})
    """Width of each audio stream by name."""
    visual_streams: dict[str, int] = field(
        default_factory=lambda: {"resnet152": 2048, "r2plus1d_18": 512}
    )
    """Width of each visual stream by name."""
    width: int = 512
    """D, the width of every layer."""
    num_heads: int = 8
    """Heads of every attention."""
    windows: tuple[int, ...] = (1, 2, 4, 8)
    """Size of each unit in segments: half-width of its attention window, and its dilation."""
    dropout: float = 0.2
    """Dropout of residual branches and feed-forward parts."""
    attention_dropout: float = 0.1
    """Dropout of attention probabilities."""
    context: int = 10
    """Segments of the videos trained on; longer ones get video-level scores from such windows."""
    swap_streams: bool = False
    """True repeats the released code's exchange: the stream that it reads as audio is visual."""
    tied_initialization: bool = True
    """True starts the copies of a layer from equal weights, as the released code does."""

    def __post_init__(self) -> None:
        self.labels, self.windows = tuple(self.labels), tuple(self.windows)
        if self.width % self.num_heads:
            raise UserError(f"width {self.width} is no multiple of num_heads {self.num_heads}")
        if not self.windows or min(self.windows) < 1:
            raise UserError(
                f"windows should be one or more sizes of at least 1, got {self.windows}"
            )
        if not (self.audio_streams and self.visual_streams and self.labels):
            raise UserError("the network needs an audio stream, a visual stream and a label")
        if self.audio_streams.keys() & self.visual_streams.keys():
            raise UserError("a stream is either audio or visual; one is listed as both")

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


class StreamProjection(nn.Module):
    """Project each stream of one modality to the width; several are concatenated and fused."""

    def __init__(self, streams: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({n: nn.Linear(dim, width) for n, dim in streams.items()})
        self.fusion = nn.Linear(len(streams) * width, width) if len(streams) > 1 else nn.Identity()

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        """Give (B, T, D)."""
        projected = [layer(streams[name]) for name, layer in self.projections.items()]
        out: Tensor = self.fusion(torch.cat(projected, dim=-1))
        return out


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

    architecture = "mm-pyramid"
    config_class = MMPyramidConfig

    def __init__(self, config: MMPyramidConfig | None = None) -> None:
        super().__init__()
        self.config = config = copy.deepcopy(config or MMPyramidConfig())
        self.labels, self.context = config.labels, config.context
        self.inputs = Streams(audio=config.audio_streams, visual=config.visual_streams)
        layer = (config.width, config.num_heads)
        dropouts = (config.dropout, config.attention_dropout)
        self.audio_projection = StreamProjection(config.audio_streams, config.width)
        self.visual_projection = StreamProjection(config.visual_streams, config.width)
        self.pyramid = AttentiveFeaturePyramid(
            [PyramidUnit(*layer, window, *dropouts) for window in config.windows]
        )
        self.audio_fusion = SemanticFusion(*layer, *dropouts)
        self.visual_fusion = SemanticFusion(*layer, *dropouts)
        self.head = AttentiveMMIL(config.width, len(config.labels))
        if config.tied_initialization:
            self._tie_initialization()

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Project, build the pyramid, fuse it: Figure 2 from left to right."""
        audio_BTD = self.audio_projection(streams) * present_BM[:, 0, None, None]
        visual_BTD = self.visual_projection(streams) * present_BM[:, 1, None, None]
        audio_BTLD, visual_BTLD = self.pyramid(audio_BTD, visual_BTD, mask_BT)
        audio_BTD, audio_weights_BTL = self.audio_fusion(audio_BTLD)
        visual_BTD, visual_weights_BTL = self.visual_fusion(visual_BTLD)
        fused = (audio_BTD, visual_BTD)
        if self.config.swap_streams:
            fused = (visual_BTD, audio_BTD)
        weights = torch.stack((audio_weights_BTL, visual_weights_BTL), dim=2)
        return Encoded(torch.stack(fused, dim=2), weights)

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
            self.audio_fusion.unit_attention,
            self.visual_fusion.unit_attention,
        )
        visual_layer.load_state_dict(audio_layer.state_dict())

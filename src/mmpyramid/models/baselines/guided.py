"""Networks that attend to the visual map as AVE does, then forget where things are.

Shape letters: B batch, T segments, H and W height and width of the map, D width, M modalities.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmpyramid.models.baselines.pair import PairConfig, PairNetwork
from mmpyramid.models.visual_attention import AudioGuidedAttention, check_grid


@dataclass(kw_only=True, slots=True)
class GuidedConfig(PairConfig):
    """A network with audio-guided attention over a visual map.

    Raises:
        UserError: if a value cannot make a network.
    """

    attention_width: int = 512
    """Width of the projections that the attention compares."""
    map_size: tuple[int, int] | None = (7, 7)
    """Height and width of the visual map; None for features without positions."""

    def __post_init__(self) -> None:
        PairConfig.__post_init__(self)
        self.map_size = None if self.map_size is None else (self.map_size[0], self.map_size[1])


class GuidedNetwork(PairNetwork):
    """A localization network with audio-guided attention over a visual map.

    Args:
        config: the architecture.
        guide_width: width of the audio that guides the attention.
    """

    config: GuidedConfig

    def __init__(self, config: GuidedConfig, guide_width: int | None = None) -> None:
        super().__init__(config)
        self.visual_attention = None
        if config.map_size:
            self.visual_attention = AudioGuidedAttention(
                guide_width or self.audio_width,
                self.visual_width,
                num_positions=config.map_size[0] * config.map_size[1],
                hidden_width=config.attention_width,
            )

    def attend(self, audio_BTD: Tensor, visual: Tensor, present_BM: Tensor) -> Tensor:
        """Give the attended visual feature of every segment (B, T, D), zero where there is none.

        Args:
            audio_BTD: what guides the attention.
            visual: (B, T, H, W, D), or (B, T, D) for a network without `map_size`.
            present_BM: True where a video has the modality.

        Raises:
            UserError: if the map has another size than the network's.
        """
        check_grid(self.config.architecture, self.visual_name, visual, self.config.map_size)
        if self.visual_attention is not None:
            visual = self.visual_attention(audio_BTD, visual)
        return visual * present_BM[:, 1, None, None]

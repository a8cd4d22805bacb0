"""What several of the compared networks are made from: which streams they read, and how.

Shape letters: B batch, T segments, H and W height and width of a map, D width, M modalities (audio,
visual).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.layers import AUDIO, in_one
from mmpyramid.models.localization import (
    AudioGuidedAttention,
    LocalizationConfig,
    LocalizationNetwork,
    check_grid,
)
from mmpyramid.models.network import Encoded
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork


@dataclass(kw_only=True, slots=True)
class PairConfig(LocalizationConfig):
    """A network that reads one audio and one visual stream.

    Raises:
        UserError: if a value cannot make a network.
    """

    def __post_init__(self) -> None:
        LocalizationConfig.__post_init__(self)
        if len(self.audio_streams) > 1 or len(self.visual_streams) > 1:
            raise UserError(
                f"`{self.architecture}` takes one audio and one visual stream, got "
                f"{', '.join((*self.audio_streams, *self.visual_streams))}; leave the others out"
            )
        if self.width % 2:
            raise UserError(
                f"`{self.architecture}` halves its width in places; width should be even, got "
                f"{self.width}"
            )


class PairNetwork(LocalizationNetwork):
    """A localization network that reads one audio and one visual stream."""

    config: PairConfig

    def __init__(self, config: PairConfig) -> None:
        super().__init__(config)
        ((self.audio_name, self.audio_width),) = config.audio_streams.items()
        ((self.visual_name, self.visual_width),) = config.visual_streams.items()

    def read(self, streams: Mapping[str, Tensor], present_BM: Tensor) -> tuple[Tensor, Tensor]:
        """The audio (B, T, D), zero where there is none, and the visual stream as it came."""
        audio_BTD = streams[self.audio_name] * present_BM[:, 0, None, None]
        return audio_BTD, streams[self.visual_name]


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


@dataclass(kw_only=True, slots=True)
class BranchedConfig(ParsingConfig):
    """A network with three branches.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str]

    width: int = 256
    """D, what both directions of an LSTM give together."""
    input_width: int = 512
    """Width of the projected visual streams."""
    head_width: int = 64
    """Hidden width of each branch."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        if self.width % 2:
            raise UserError(f"both directions share the width; it should be even, got {self.width}")


class OneSidedNetwork(ParsingNetwork):
    """A parsing network that perceives one modality.

    Its configuration names streams of the other one all the same, as every network's does; they are
    not read. A subclass writes `encode_side` and `make_head`.

    Attributes:
        side: which modality it perceives.
    """

    side: ClassVar[Literal[0, 1]]
    config: ParsingConfig

    @property
    def input_width(self) -> int:
        """Width of all streams of the modality, side by side."""
        return sum(self._widths.values())

    @property
    def _widths(self) -> Mapping[str, int]:
        return self.inputs.audio if self.side == AUDIO else self.inputs.visual

    @abstractmethod
    def encode_side(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Turn the streams of the modality, side by side, into what the head reads (B, T, D).

        Args:
            x_BTD: zero in videos without the modality.
            mask_BT: True where a segment exists.
        """

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Encode the modality; the features of the other are zero."""
        x_BTD = torch.cat([streams[name] for name in self._widths], dim=-1)
        x_BTD = x_BTD * present_BM[:, self.side, None, None]
        features_BTMD = in_one(self.encode_side(x_BTD, mask_BT), self.side, 2)
        return Encoded(fused_BTMD=features_BTMD, projected_BTMD=features_BTMD)

"""What the compared networks of event localization share: one audio and one visual stream.

Shape letters: B batch, T segments, D stream width, M modalities (audio, visual).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mmpyramid.core.errors import UserError
from mmpyramid.models.localization import LocalizationConfig, LocalizationNetwork


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

"""What parsing networks that only hear, or only see, have in common.

Shape letters: B batch, T segments, M modalities (audio, visual), D width, C classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mmpyramid.models.network import Encoded, Pooled
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork, PoolingHead

AUDIO: Literal[0] = 0
VISUAL: Literal[1] = 1


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
    def widths(self) -> Mapping[str, int]:
        """Width of each stream of the modality, by name."""
        return self.inputs.audio if self.side == AUDIO else self.inputs.visual

    @property
    def input_width(self) -> int:
        """Width of all streams of the modality, side by side."""
        return sum(self.widths.values())

    @abstractmethod
    def encode_side(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Turn the streams of the modality, side by side, into what the head reads (B, T, D).

        Args:
            x_BTD: zero in videos without the modality.
            mask_BT: True where a segment exists.
        """

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Encode the modality; the features of the other are zero."""
        x_BTD = torch.cat([streams[name] for name in self.widths], dim=-1)
        x_BTD = x_BTD * present_BM[:, self.side, None, None]
        features_BTMD = in_one(self.encode_side(x_BTD, mask_BT), self.side, 2)
        return Encoded(fused_BTMD=features_BTMD, projected_BTMD=features_BTMD)


class OneSidedHead(PoolingHead):
    """Pools the features of one modality.

    A subclass writes `pool_side`.

    Args:
        side: which modality is perceived.
    """

    def __init__(self, side: Literal[0, 1]) -> None:
        super().__init__()
        self.side = side

    @abstractmethod
    def pool_side(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Give the probabilities of segments (B, T, C) and of videos (B, C)."""

    def pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Give probabilities of both modalities, 0 in the other one and where there is none."""
        prob_BTC, video_BC = self.pool_side(x_BTMD[:, :, self.side], mask_BT)
        here_BO = present_BM[:, self.side, None]
        prob_BTC, video_BC = prob_BTC * here_BO[:, None], video_BC.clamp(0, 1) * here_BO
        return Pooled(in_one(prob_BTC, self.side, 2), in_one(video_BC, self.side, 1), video_BC)


def in_one(x: Tensor, side: Literal[0, 1], axis: int) -> Tensor:
    """Add an axis of two modalities, one of which is zero.

    Example:
        >>> in_one(torch.ones(2), AUDIO, 0).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """
    both = (x, torch.zeros_like(x))
    return torch.stack(both if side == AUDIO else both[::-1], dim=axis)

"""The fusion block of DMRN, which AVSDN takes over.

Shape letters: D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualFusion(nn.Module):
    """Dual multimodal residual fusion (Tian et al., ECCV 2018).

    `m = (U_a a + U_v v) / 2`, fused `(tanh(a + m) + tanh(v + m)) / 2`. In the released code either
    branch adds the other modality's residual, which makes no difference in a single block.

    Args:
        width: D of both modalities and of the result.

    Example:
        >>> tuple(ResidualFusion(4)(torch.ones(2, 5, 4), torch.zeros(2, 5, 4)).shape)
        (2, 5, 4)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.audio = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))
        self.visual = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))

    def forward(self, audio_D: Tensor, visual_D: Tensor) -> Tensor:
        """Give (..., D)."""
        merged_D = (self.visual(visual_D) + self.audio(audio_D)) / 2
        return (torch.tanh(audio_D + merged_D) + torch.tanh(visual_D + merged_D)) / 2

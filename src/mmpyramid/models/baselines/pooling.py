"""Bilinear pooling, and pooling over positions and time, of the compared networks.

Shape letters: B batch, T segments, P positions of a map, D width, F factors, O width of the fusion.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.models.attention import MASKED

SMALLEST = 1e-12
"""Magnitudes below this have no square root taken of them: its gradient has no limit at 0."""


class FactorizedBilinear(nn.Module):
    """Multimodal factorized bilinear pooling (Yu et al., ICCV 2017).

    Products of both projections, dropout, the sum over factors, the signed square root and unit
    length, in this order.

    Args:
        audio_width: width of the audio.
        visual_width: width of the picture.
        width: O.
        num_factors: F, products that are summed to one number.
        dropout: of the products.

    Example:
        >>> fusion = FactorizedBilinear(3, 4, width=6, num_factors=2, dropout=0.1).eval()
        >>> norm_BT = fusion(torch.ones(2, 5, 3), torch.ones(2, 5, 4)).norm(dim=-1)
        >>> round(norm_BT[0, 0].item(), 5)
        1.0
    """

    def __init__(
        self, audio_width: int, visual_width: int, width: int, num_factors: int, dropout: float
    ) -> None:
        super().__init__()
        self.num_factors = num_factors
        self.audio = nn.Linear(audio_width, num_factors * width)
        self.visual = nn.Linear(visual_width, num_factors * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor) -> Tensor:
        """Give (B, T, O), of unit length."""
        product_BTD = self.dropout(self.audio(audio_BTD) * self.visual(visual_BTD))
        sum_BTO = product_BTD.unflatten(-1, (-1, self.num_factors)).sum(-1)
        wide_BTO = sum_BTO.to(torch.promote_types(sum_BTO.dtype, torch.float32))
        root_BTO = wide_BTO.sign() * wide_BTO.abs().clamp(min=SMALLEST).sqrt()
        return F.normalize(root_BTO, dim=-1).to(sum_BTO.dtype)


class PositionMean(nn.Module):
    """The mean over the positions of a map, where others attend to them."""

    def forward(self, audio_BTD: Tensor, visual_BTHWD: Tensor) -> Tensor:
        """Give (B, T, D); what is heard plays no part."""
        del audio_BTD
        return visual_BTHWD.flatten(2, -2).mean(2)


def mean_over_time(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean over the segments that exist, (B, D).

    Example:
        >>> mask_BT = torch.tensor([[True, True, False]])
        >>> mean_over_time(torch.tensor([[[1.0], [2.0], [9.0]]]), mask_BT).item()
        1.5
    """
    exists_BTO = mask_BT[..., None]
    return (x_BTD * exists_BTO).sum(1) / exists_BTO.sum(1)


def softmax_over_time(score_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Weights that sum to 1 over the segments that exist, (B, T, D).

    Example:
        >>> mask_BT = torch.tensor([[True, True, False]])
        >>> softmax_over_time(torch.zeros(1, 3, 1), mask_BT).flatten().tolist()
        [0.5, 0.5, 0.0]
    """
    return score_BTD.masked_fill(~mask_BT[..., None], MASKED).softmax(1)

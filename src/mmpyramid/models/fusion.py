"""Adaptive semantic fusion: the pyramid becomes one feature per segment (Section 4.2).

Shape letters: B batch, T segments, L units, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmpyramid.models.attention import TransformerLayer


class SemanticFusion(nn.Module):
    """Unit-level attention (Eq. 9), then a sum weighted by sigmoids (Eq. 10-11), for one modality.

    Follows the released code, in which Eq. 9 is a whole transformer layer over the units.

    Args:
        width: D.
        num_heads: H.
        dropout: dropout of the transformer layer.
        attention_dropout: dropout of the attention probabilities.
    """

    def __init__(
        self, width: int, num_heads: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.unit_attention = TransformerLayer(width, num_heads, None, dropout, attention_dropout)
        self.selection = nn.Linear(width, 1)

    def forward(self, units_BTLD: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse the units.

        Returns:
            The fused feature (B, T, D) and the weight of each unit in it (B, T, L), within 0..1.
        """
        units = units_BTLD.flatten(0, 1)
        every_unit = torch.ones(units.shape[:2], dtype=torch.bool, device=units.device)
        related = self.unit_attention(units, units, every_unit).view_as(units_BTLD)
        weight_BTL = torch.sigmoid(self.selection(related)).squeeze(-1)
        return torch.einsum("btl,btld->btd", weight_BTL, related), weight_BTL

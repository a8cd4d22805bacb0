"""Adaptive semantic fusion: from the features of all units to one (Section 4.2).

Shape letters: B batch, T segments, L units, D width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmpyramid.models.attention import TransformerLayer

MakeLayer = Callable[[], TransformerLayer]
"""Makes a transformer layer in which every unit sees every unit."""


class UnitAttention(nn.Module):
    """Attention over the units of each segment (Eq. 9); the release has a whole layer of it."""

    def __init__(self, layer: MakeLayer) -> None:
        super().__init__()
        self.unit_attention = layer()

    def relate(self, units_BTLD: Tensor) -> Tensor:
        """Give every unit what it learns from the others, (B, T, L, D)."""
        units = units_BTLD.flatten(0, 1)
        every_unit = torch.ones(units.shape[:2], dtype=torch.bool, device=units.device)
        related: Tensor = self.unit_attention(units, units, every_unit)
        return related.view_as(units_BTLD)


class SelectiveFusion(nn.Module):
    """A weight within 0..1 for each unit, and their weighted sum (Eq. 10-11; "w/o ULA")."""

    def __init__(self, width: int, layer: MakeLayer) -> None:
        super().__init__()
        del layer
        self.selection = nn.Linear(width, 1)

    def forward(self, units_BTLD: Tensor) -> tuple[Tensor, Tensor]:
        """Give the fused features (B, T, D) and the weight of each unit in them (B, T, L)."""
        weight_BTL = torch.sigmoid(self.selection(units_BTLD)).squeeze(-1)
        return torch.einsum("btl,btld->btd", weight_BTL, units_BTLD), weight_BTL


class SemanticFusion(UnitAttention):
    """Attention over units, then selective fusion: the whole module of Section 4.2."""

    def __init__(self, width: int, layer: MakeLayer) -> None:
        super().__init__(layer)
        self.selection = nn.Linear(width, 1)

    def forward(self, units_BTLD: Tensor) -> tuple[Tensor, Tensor]:
        """Give the fused features (B, T, D) and the weight of each unit in them (B, T, L)."""
        related_BTLD = self.relate(units_BTLD)
        weight_BTL = torch.sigmoid(self.selection(related_BTLD)).squeeze(-1)
        return torch.einsum("btl,btld->btd", weight_BTL, related_BTLD), weight_BTL


class AverageFusion(UnitAttention):
    """Attention over units, then their mean ("w/o SF")."""

    def __init__(self, width: int, layer: MakeLayer) -> None:
        super().__init__(layer)
        del width

    def forward(self, units_BTLD: Tensor) -> tuple[Tensor, None]:
        """Give the mean features (B, T, D)."""
        return self.relate(units_BTLD).mean(2), None


class LastUnit(nn.Module):
    """The last unit alone, without any fusion ("MM-Pyramid-Last")."""

    def __init__(self, width: int, layer: MakeLayer) -> None:
        super().__init__()
        del width, layer

    def forward(self, units_BTLD: Tensor) -> tuple[Tensor, None]:
        """Give the last unit's features (B, T, D)."""
        return units_BTLD[:, :, -1], None


FUSIONS: dict[str, Callable[[int, MakeLayer], nn.Module]] = {
    "semantic": SemanticFusion,
    "selective": SelectiveFusion,
    "average": AverageFusion,
    "last": LastUnit,
}
"""How units can become one feature, by name: made from the width and a maker of layers."""

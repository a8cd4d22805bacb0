"""From the streams of one modality to features of the network's width.

Shape letters: B batch, T segments, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.linear import Linear


class StreamProjection(nn.Module):
    """Project each stream of one modality to the width; several are concatenated and fused."""

    def __init__(self, streams: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({n: Linear(dim, width) for n, dim in streams.items()})
        self.fusion = Linear(len(streams) * width, width) if len(streams) > 1 else nn.Identity()

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        """Give (B, T, D).

        Raises:
            UserError: if a stream has more than one vector per segment.
        """
        for name in self.projections:
            if streams[name].ndim != 3:
                raise UserError(
                    f"expected one vector per segment in the stream `{name}`, got "
                    f"{tuple(streams[name].shape[2:])} each; pool them (`store import --pool`), or "
                    "take a network that attends to maps"
                )
        projected = [layer(streams[name]) for name, layer in self.projections.items()]
        out: Tensor = self.fusion(torch.cat(projected, dim=-1))
        return out

"""The heads of networks that ask apart what a video shows and which segments show it.

Shape letters: B batch, T segments, D width, C classes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from mmpyramid.models.attention import MASKED
from mmpyramid.models.outputs import Localized

Head: TypeAlias = Literal["category", "fused"]
"""`category`: C categories beside the relevance (full supervision). `fused`: C + 1 scores times the
relevance, pooled over time by the objective (weak supervision)."""


class DecomposedHead(nn.Module):
    """Relevance of every segment, category of the video from features pooled over time (CMRAN).

    Args:
        width: D.
        num_classes: C.
        head: with or without a category for the background.
        pool: how features of segments become those of the video.
    """

    def __init__(
        self, width: int, num_classes: int, head: Head, pool: Literal["max", "mean"]
    ) -> None:
        super().__init__()
        self.fused, self.pool = head == "fused", pool
        self.relevance = nn.Linear(width, 1)
        self.category = nn.Linear(width, num_classes + self.fused)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Localized:
        """Decompose the task; what is pooled over time leaves padding out."""
        exists_BTO = mask_BT[..., None]
        if self.pool == "max":
            pooled_BD = x_BTD.masked_fill(~exists_BTO, MASKED).amax(1)
        else:
            pooled_BD = (x_BTD * exists_BTO).sum(1) / exists_BTO.sum(1)
        relevance_BT = self.relevance(x_BTD).squeeze(-1)
        category_BC = self.category(pooled_BD)
        happens_BTO = torch.sigmoid(relevance_BT)[..., None]
        if self.fused:
            score_BTC = happens_BTO * category_BC[:, None]
        else:
            event_BTC = happens_BTO * category_BC.softmax(-1)[:, None]
            score_BTC = torch.cat((event_BTC, 1 - happens_BTO), dim=-1)
        return Localized(score_BTC, relevance_BT, category_BC)

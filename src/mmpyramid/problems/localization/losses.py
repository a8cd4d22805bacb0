"""Losses of event localization: pure functions of scores.

Shape letters: B batch, T segments, C classes (one more where the background is one).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.models.attention import MASKED
from mmpyramid.models.network import Localized
from mmpyramid.problems.parsing.losses import binary_cross_entropy


def decomposed_loss(
    output: Localized,
    segment_BT: Tensor,
    weak_BC: Tensor,
    mask_BT: Tensor,
    category_weight: float = 1.0,
) -> Tensor:
    """Binary cross-entropy of the relevance and cross-entropy of the category (CMRAN, full).

    Args:
        output: of a network that decomposes the task.
        segment_BT: class of each segment, the last one being background.
        weak_BC: (B, C + 1) one-hot category of the video.
        mask_BT: True where a segment exists.
        category_weight: weight of the second term.

    Returns:
        A scalar.
    """
    assert output.relevance_BT is not None
    assert output.category_BC is not None
    background = weak_BC.shape[-1] - 1
    happens_BT = (segment_BT != background).to(output.relevance_BT.dtype)
    relevance = F.binary_cross_entropy_with_logits(
        output.relevance_BT[mask_BT], happens_BT[mask_BT]
    )
    category_B = weak_BC[:, :background].argmax(-1)
    return relevance + category_weight * F.cross_entropy(output.category_BC, category_B)


def pooled_loss(
    output: Localized,
    weak_BC: Tensor,
    mask_BT: Tensor,
    *,
    pool: Literal["max", "mean"] = "max",
    loss: Literal["soft-margin", "cross-entropy"] = "soft-margin",
) -> Tensor:
    """Pool scores over time, turn them into a distribution, compare it with the video's label.

    The soft-margin loss takes the sigmoid of a probability, as released with AVE and CMRAN: its
    floor is high and its gradients are small.

    Args:
        output: scores with a column for the background.
        weak_BC: (B, C + 1) label of the video.
        mask_BT: True where a segment exists.
        pool: over time.
        loss: of the distribution.

    Returns:
        A scalar.
    """
    exists_BTO = mask_BT[..., None]
    if pool == "max":
        pooled_BC = output.score_BTC.masked_fill(~exists_BTO, MASKED).amax(1)
    else:
        pooled_BC = (output.score_BTC * exists_BTO).sum(1) / exists_BTO.sum(1)
    with torch.autocast(pooled_BC.device.type, enabled=False):
        distribution_BC = pooled_BC.to(weak_BC.dtype).softmax(-1)
        if loss == "soft-margin":
            return F.multilabel_soft_margin_loss(distribution_BC, weak_BC)
        return binary_cross_entropy(distribution_BC, weak_BC)

"""Losses of the systems that MM-Pyramid is compared with: pure functions of what networks give.

Shape letters: B batch, T segments, C classes (one more where the background is one), N segments of
all videos.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-8
"""Added to sums before they divide, as PSP released it."""


def segment_loss(
    score_BTC: Tensor,
    segment_BT: Tensor,
    mask_BT: Tensor,
    loss: Literal["soft-margin", "cross-entropy"],
) -> Tensor:
    """Compare the class distribution of every segment with its class (AVEL, PSP; full).

    The soft-margin loss takes the sigmoid of a probability, as AVEL released it: its floor is high
    and its gradients are small.

    Args:
        score_BTC: scores with a column for the background.
        segment_BT: class of each segment, the last one being background.
        mask_BT: True where a segment exists.
        loss: `soft-margin` (AVEL) or `cross-entropy` (PSP).

    Returns:
        The mean over existing segments, a scalar.
    """
    score_NC, class_N = _wide(score_BTC[mask_BT]), segment_BT[mask_BT]
    if loss == "cross-entropy":
        return F.cross_entropy(score_NC, class_N)
    label_NC = F.one_hot(class_N, score_NC.shape[-1]).to(score_NC.dtype)
    return F.multilabel_soft_margin_loss(score_NC.softmax(-1), label_NC)


def similarity_loss(similarity_BT: Tensor, happens_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Ask for both modalities to agree where the event is, and nowhere else (PSP, Eq. 8-9).

    The target shares 1 equally among the segments of the event and is 0 in the background. The
    released training meant this, but leaves in the background what another clip put there.

    Args:
        similarity_BT: cosine of both modalities.
        happens_BT: True where an event happens.
        mask_BT: True where a segment exists.

    Returns:
        The mean squared error over existing segments, a scalar.

    Example:
        >>> happens, every = torch.tensor([[True, False]]), torch.ones(1, 2, dtype=torch.bool)
        >>> round(similarity_loss(torch.tensor([[0.3, 0.1]]), happens, every).item(), 4)
        0.0625
    """
    agreement_BT = _wide(similarity_BT).relu() * mask_BT
    share_BT = agreement_BT / (agreement_BT.sum(1, keepdim=True) + EPSILON)
    event_BT = (happens_BT & mask_BT).to(share_BT.dtype)
    target_BT = event_BT / event_BT.sum(1, keepdim=True).clamp(min=1)
    return F.mse_loss(share_BT[mask_BT], target_BT[mask_BT])


def _wide(x: Tensor) -> Tensor:
    """In float32 or better, also where autocast made less of it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))

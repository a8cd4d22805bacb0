"""Losses of the systems that MM-Pyramid is compared with: pure functions of what networks give.

Shape letters: B batch, T segments, C classes (one more where the background is one), K
branches, N segments of all videos.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-8
"""Added to sums before they divide, as PSP released it."""
COSINE_EPSILON = 1e-6
"""Added to products of norms before they divide, as CMCS released it."""


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


def sparsity_loss(attention_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The sum of a video's attention, which STPN keeps small.

    Args:
        attention_BT: within 0..1.
        mask_BT: True where a segment exists.

    Returns:
        The mean over videos, a scalar.
    """
    return (_wide(attention_BT) * mask_BT).sum(1).mean()


def diversity_loss(score_BTKC: Tensor, mask_BT: Tensor) -> Tensor:
    """How much branches agree on when a class happens (CMCS).

    For each class, the mean over pairs of branches of the cosine between their probabilities over
    time; the probabilities of a branch are a softmax over classes, as released.

    Args:
        score_BTKC: of K branches, 2 or more.
        mask_BT: True where a segment exists.

    Returns:
        The mean over videos and classes, a scalar.
    """
    num_branches = score_BTKC.shape[2]
    prob_BTKC = _wide(score_BTKC).softmax(-1) * mask_BT[:, :, None, None]
    prob_BCKT = prob_BTKC.permute(0, 3, 2, 1)
    norm_BCK: Tensor = torch.linalg.vector_norm(prob_BCKT, dim=-1)
    norms_BCKK = norm_BCK[..., None] * norm_BCK[..., None, :]
    cosine_BCKK = prob_BCKT @ prob_BCKT.mT / (norms_BCKK + COSINE_EPSILON)
    others_BCKK = (cosine_BCKK - torch.eye(num_branches, device=cosine_BCKK.device)).relu()
    return others_BCKK.sum((-1, -2)).mean() / (num_branches * (num_branches - 1))


def norm_loss(score_BTKC: Tensor, mask_BT: Tensor) -> Tensor:
    """How much branches differ in the size of their scores (CMCS), so that none takes over.

    Args:
        score_BTKC: of K branches.
        mask_BT: True where a segment exists.

    Returns:
        The mean distance of a branch's mean absolute score over time from the mean of all branches,
        over videos, branches and classes, a scalar.
    """
    size_BTKC = _wide(score_BTKC).abs() * mask_BT[:, :, None, None]
    size_BKC = size_BTKC.sum(1) / mask_BT.sum(1)[:, None, None]
    return (size_BKC - size_BKC.mean(1, keepdim=True)).abs().mean()


def _wide(x: Tensor) -> Tensor:
    """In float32 or better, also where autocast made less of it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))

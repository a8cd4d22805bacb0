"""Losses and objectives of event localization.

The losses are pure functions of what networks give, in float32 or better: training calls them
outside autocast. An objective is a loss with its settings.

Shape letters: B batch, T segments, C classes (one more where the background is one), N segments of
all videos.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from torch import Tensor
from torch.nn import functional as F

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.base import Kind, Supervision
from mmpyramid.models.attention import MASKED
from mmpyramid.models.network import Localized
from mmpyramid.problems.base import Objective
from mmpyramid.problems.localization.problem import clip_labels
from mmpyramid.problems.parsing.losses import binary_cross_entropy

PooledLoss: TypeAlias = Literal["soft-margin", "cross-entropy", "categorical"]

EPSILON = 1e-8
"""Added to sums before they divide, as PSP released it."""


def decomposed_loss(
    output: Localized,
    segment_BT: Tensor,
    weak_BC: Tensor,
    mask_BT: Tensor,
    category_weight: float = 1.0,
) -> Tensor:
    """Binary cross-entropy of the relevance and cross-entropy of the category (CMRAN, full).

    A video of background alone, as OV-AVEBench has them, has no category to be learned by a head
    without a column for the background.

    Args:
        output: of a network that decomposes the problem.
        segment_BT: class of each segment, the last one being background.
        weak_BC: (B, C + 1) one-hot category of the video.
        mask_BT: True where a segment exists.
        category_weight: weight of the second term.

    Returns:
        A scalar.

    Raises:
        UserError: if the network does not decompose the problem.
    """
    if output.relevance_BT is None or output.category_BC is None:
        raise UserError(
            "expected a network that tells the category of a video and which segments are relevant "
            "to it, got one that scores segments alone; leave --model.head as the recipe has it, "
            "or take a recipe for such networks, as `avel`"
        )
    background = weak_BC.shape[-1] - 1
    happens_BT = (segment_BT != background).to(output.relevance_BT.dtype)
    relevance_BT = F.binary_cross_entropy_with_logits(
        output.relevance_BT, happens_BT, reduction="none"
    )
    relevance = mean_of_existing(relevance_BT, mask_BT)
    num_categories = output.category_BC.shape[-1]
    category_B = weak_BC.argmax(-1)
    is_learned_B = category_B < num_categories
    category_loss_B = F.cross_entropy(
        output.category_BC, category_B.clamp(max=num_categories - 1), reduction="none"
    )
    category = (category_loss_B * is_learned_B).sum() / is_learned_B.sum().clamp(min=1)
    return relevance + category_weight * category


def pooled_loss(
    output: Localized,
    weak_BC: Tensor,
    mask_BT: Tensor,
    *,
    pool: Literal["max", "mean"] = "max",
    loss: PooledLoss = "soft-margin",
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
    if loss == "categorical":
        return F.cross_entropy(pooled_BC, weak_BC)
    distribution_BC = pooled_BC.softmax(-1)
    if loss == "soft-margin":
        return F.multilabel_soft_margin_loss(distribution_BC, weak_BC)
    return binary_cross_entropy(distribution_BC, weak_BC)


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
    score_NC, class_N = score_BTC.flatten(0, 1), segment_BT.flatten()
    if loss == "cross-entropy":
        loss_N = F.cross_entropy(score_NC, class_N, reduction="none")
    else:
        label_NC = F.one_hot(class_N, score_NC.shape[-1]).to(score_NC.dtype)
        loss_N = F.multilabel_soft_margin_loss(score_NC.softmax(-1), label_NC, reduction="none")
    return mean_of_existing(loss_N.view_as(segment_BT), mask_BT)


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
        >>> import torch
        >>> happens, every = torch.tensor([[True, False]]), torch.ones(1, 2, dtype=torch.bool)
        >>> round(similarity_loss(torch.tensor([[0.3, 0.1]]), happens, every).item(), 4)
        0.0625
    """
    agreement_BT = similarity_BT.relu() * mask_BT
    share_BT = agreement_BT / (agreement_BT.sum(1, keepdim=True) + EPSILON)
    event_BT = (happens_BT & mask_BT).to(share_BT.dtype)
    target_BT = event_BT / event_BT.sum(1, keepdim=True).clamp(min=1)
    return mean_of_existing((share_BT - target_BT).square(), mask_BT)


def mean_of_existing(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean over the segments that exist, by shapes alone: no GPU is asked how many there are.

    Example:
        >>> import torch
        >>> mean_of_existing(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor(1.5000)
    """
    return values_BT.masked_fill(~mask_BT, 0.0).sum() / mask_BT.sum()


@dataclass(kw_only=True, slots=True)
class LocalizationObjective(Objective):
    """A loss of event localization, and the labels that it may see.

    Example:
        >>> PooledObjective(supervision="weak", background_clips=False).background_clips
        False
    """

    problem: ClassVar[str] = "localization"

    supervision: Kind = "full"
    """`full`: the class of every segment. `weak`: the category of the video. `proportion`: also
    which share of the video it fills, which PSP calls weak."""
    background_clips: bool = True
    """Without full supervision, also learn from the clips of pure background."""

    def labels(self, refined: Path | None = None) -> Supervision:
        """Which labels of the training split this learns from."""
        if refined:
            raise UserError("modality-aware labels are for parsing; leave --refined out")
        return Supervision(kind=self.supervision, background_clips=self.background_clips)


@dataclass(kw_only=True, slots=True)
class DecomposedObjective(LocalizationObjective):
    """Relevance of every segment and category of the video, fully supervised (CMRAN, DAM).

    Example:
        >>> DecomposedObjective(category_weight=0.5).supervision
        'full'
    """

    category_weight: float = 1.0
    """Weight of the category's cross-entropy beside that of the relevance."""

    def __post_init__(self) -> None:
        LocalizationObjective.__post_init__(self)
        if self.supervision != "full":
            raise UserError(
                "the relevance of segments is learned from full supervision; for "
                f"`{self.supervision}` take another recipe, such as `ave-{self.supervision}`"
            )

    def __call__(self, output: Localized, batch: Batch) -> Tensor:
        """The sum of both cross-entropies.

        Raises:
            UserError: if the batch has no classes of segments, or the network not both heads.
        """
        segment_BT, weak_BC = clip_labels(batch)
        return decomposed_loss(output, segment_BT, weak_BC, batch.mask_BT, self.category_weight)


@dataclass(kw_only=True, slots=True)
class PooledObjective(LocalizationObjective):
    """The video's distribution over classes, pooled from the scores of its segments (weak).

    Example:
        >>> PooledObjective(pool="mean", loss="cross-entropy").supervision
        'weak'
    """

    supervision: Kind = "weak"
    """Labels of the videos: `weak` or `proportion`."""
    pool: Literal["max", "mean"] = "max"
    """How the scores of segments become those of the video: `max` (AVE, CMRAN), `mean` (PSP)."""
    loss: PooledLoss = "soft-margin"
    """Of the video's distribution: `soft-margin` (AVE, CMRAN), binary `cross-entropy` (PSP), or
    `categorical` cross-entropy (our reconstructions)."""

    def __post_init__(self) -> None:
        LocalizationObjective.__post_init__(self)
        if self.supervision == "full":
            raise UserError(
                "scores that are pooled over time are learned from labels of videos, `weak` or "
                "`proportion`; for `full` take another recipe, such as `ave` or `avel`"
            )

    def __call__(self, output: Localized, batch: Batch) -> Tensor:
        """The loss of the video-level distribution.

        Raises:
            UserError: if the batch has labels of another kind.
        """
        _, weak_BC = clip_labels(batch)
        return pooled_loss(output, weak_BC, batch.mask_BT, pool=self.pool, loss=self.loss)


@dataclass(kw_only=True, slots=True)
class SegmentObjective(LocalizationObjective):
    """The class of every segment, background included, fully supervised (AVEL, DMRN, PSP)."""

    loss: Literal["soft-margin", "cross-entropy"] = "soft-margin"
    """`soft-margin` (AVEL, DMRN) or `cross-entropy` (PSP) of the segment's distribution."""
    similarity_weight: float = 0.0
    """Weight of PSP's similarity loss (released: 100); only PSP's network gives what it reads."""

    def __post_init__(self) -> None:
        LocalizationObjective.__post_init__(self)
        if self.supervision != "full":
            raise UserError(
                "the class of segments is learned from full supervision; for "
                f"`{self.supervision}` take another recipe, such as `avel-weak`"
            )

    def __call__(self, output: Localized, batch: Batch) -> Tensor:
        """The loss of the segments' distributions, and of the similarities if they count.

        Raises:
            UserError: if the batch has no classes of segments, or similarities count and the
                network gives none.
        """
        segment_BT, _ = clip_labels(batch)
        loss = segment_loss(output.score_BTC, segment_BT, batch.mask_BT, self.loss)
        if not self.similarity_weight:
            return loss
        if output.similarity_BT is None:
            raise UserError(
                "--objective.similarity-weight needs a network that compares both modalities, "
                "which this one does not; set it to 0"
            )
        happens_BT = segment_BT != output.score_BTC.shape[-1] - 1
        similarity = similarity_loss(output.similarity_BT, happens_BT, batch.mask_BT)
        return loss + self.similarity_weight * similarity

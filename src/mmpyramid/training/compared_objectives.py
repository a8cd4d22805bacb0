"""Objectives of the systems that MM-Pyramid is compared with, beside those that they share with it.

Shape letters: B batch, T segments, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.cmcs import split_branches
from mmpyramid.models.baselines.layers import VISUAL
from mmpyramid.models.baselines.stpn import split_attention
from mmpyramid.models.network import Localized, Pooled
from mmpyramid.problems.compared_losses import (
    diversity_loss,
    norm_loss,
    segment_loss,
    similarity_loss,
    sparsity_loss,
)
from mmpyramid.problems.parsing.losses import binary_cross_entropy
from mmpyramid.training.objectives import LocalizationObjective, Objective


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
            UserError: if similarities count and the network gives none.
        """
        assert batch.segment_BT is not None
        loss = segment_loss(output.score_BTC, batch.segment_BT, batch.mask_BT, self.loss)
        if not self.similarity_weight:
            return loss
        if output.similarity_BT is None:
            raise UserError(
                "--objective.similarity-weight needs a network that compares both modalities, "
                "which this one does not; set it to 0"
            )
        happens_BT = batch.segment_BT != output.score_BTC.shape[-1] - 1
        similarity = similarity_loss(output.similarity_BT, happens_BT, batch.mask_BT)
        return loss + self.similarity_weight * similarity


@dataclass(kw_only=True, slots=True)
class VideoObjective(Objective):
    """Which classes occur in the video, from its weak label alone (Kong, TALNet)."""

    task: ClassVar[str] = "parsing"

    def __call__(self, output: Pooled, batch: Batch) -> Tensor:
        """The binary cross-entropy of the video's probabilities."""
        assert batch.weak_BC is not None
        return binary_cross_entropy(output.video_BC, batch.weak_BC)


@dataclass(kw_only=True, slots=True)
class SparseObjective(VideoObjective):
    """The video's classes, from few of its segments (STPN)."""

    sparsity_weight: float = 1e-4
    """Weight of the sum of a video's attention."""

    def __call__(self, output: Pooled, batch: Batch) -> Tensor:
        """The binary cross-entropy, and the sparsity of STPN's attention."""
        loss = VideoObjective.__call__(self, output, batch)
        assert output.encoded is not None
        _, attention_BT = split_attention(output.encoded.fused_BTMD[:, :, VISUAL])
        return loss + self.sparsity_weight * sparsity_loss(attention_BT, batch.mask_BT)


@dataclass(kw_only=True, slots=True)
class CompletenessObjective(VideoObjective):
    """The video's classes, by branches that find different parts of an event (CMCS)."""

    diversity_weight: float = 0.2
    """Weight of both losses that compare the branches."""

    def __call__(self, output: Pooled, batch: Batch) -> Tensor:
        """The binary cross-entropy, and the two losses on CMCS's branches."""
        loss = VideoObjective.__call__(self, output, batch)
        assert output.encoded is not None
        num_classes = output.video_BC.shape[-1]
        score_BTKC = split_branches(output.encoded.fused_BTMD[:, :, VISUAL], num_classes)
        diversity = diversity_loss(score_BTKC, batch.mask_BT)
        return loss + self.diversity_weight * (diversity + norm_loss(score_BTKC, batch.mask_BT))

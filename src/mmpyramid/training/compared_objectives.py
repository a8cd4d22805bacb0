"""Objectives of the systems that MM-Pyramid is compared with, beside those that they share with it.

Shape letters: B batch, T segments, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from mmpyramid.data.batch import Batch
from mmpyramid.errors import UserError
from mmpyramid.models.outputs import Localized
from mmpyramid.training.compared_losses import segment_loss, similarity_loss
from mmpyramid.training.objectives import LocalizationObjective


@dataclass(kw_only=True, slots=True)
class SegmentObjective(LocalizationObjective):
    """The class of every segment, background included, fully supervised (AVEL, DMRN, PSP)."""

    loss: Literal["soft-margin", "cross-entropy"] = "soft-margin"
    """`soft-margin` (AVEL, DMRN) or `cross-entropy` (PSP) of the segment's distribution."""
    similarity_weight: float = 0.0
    """Weight of PSP's similarity loss (released: 100); only PSP's network gives what it reads."""

    def __post_init__(self) -> None:
        if self.supervision != "full":
            raise UserError(
                "the class of segments is learned from full supervision; for "
                f"`{self.supervision}` take another recipe, such as `avel-weak`"
            )
        if self.similarity_weight < 0:
            raise UserError(
                f"--objective.similarity-weight should be 0 or more, got {self.similarity_weight}"
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

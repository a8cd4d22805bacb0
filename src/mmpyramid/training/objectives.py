"""What a training run minimizes: a small configuration that is called with output and batch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.base import Kind, Supervision
from mmpyramid.models.network import Localized, Pooled
from mmpyramid.problems.localization.losses import decomposed_loss, pooled_loss
from mmpyramid.problems.parsing.contrastive import contrastive_loss
from mmpyramid.problems.parsing.losses import guided_loss


@dataclass(kw_only=True, slots=True)
class Objective(ABC):
    """A loss with its settings.

    Raises:
        UserError: if a weight is negative.
    """

    task: ClassVar[str]
    """`parsing` or `localization`."""
    reads_modalities: ClassVar[bool] = False
    """Whether it learns from labels that tell what is heard and what is seen (MA)."""

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self) if one.name.endswith("_weight")):
            weight, flag = getattr(self, name), name.replace("_", "-")
            if not 0 <= weight < math.inf:
                raise UserError(f"--objective.{flag} should be 0 or more, got {weight}")

    @abstractmethod
    def __call__(self, output: Any, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar."""

    def labels(self, refined: Path | None = None) -> Supervision:
        """Which labels of the training split this learns from.

        Args:
            refined: a file of modality-aware labels.

        Raises:
            UserError: if there is such a file, and the loss would not read it.
        """
        if refined and not self.reads_modalities:
            raise UserError(
                "modality-aware labels are for recipes whose loss reads them, such as `llp` and "
                "`han`; for this one leave --refined out"
            )
        return Supervision(refined=refined)


@dataclass(kw_only=True, slots=True)
class GuidedObjective(Objective):
    """Individual guided learning (HAN; MM-Pyramid), with MA's contrastive term if wanted."""

    task: ClassVar[str] = "parsing"
    reads_modalities: ClassVar[bool] = True

    audio_smoothing: float = 1.0
    """How much of the weak label the audio stream's target keeps; 1 is no smoothing."""
    visual_smoothing: float = 0.9
    """How much of the weak label the visual stream's target keeps."""
    contrast: float = 0.0
    """Weight of the contrastive loss of MA (released: 1)."""
    temperature: float = 0.2
    """Temperature of the contrastive loss."""

    def __post_init__(self) -> None:
        for name in ("audio_smoothing", "visual_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                flag = name.replace("_", "-")
                raise UserError(f"--objective.{flag} should be in 0..1, got {getattr(self, name)}")
        if not (0 <= self.contrast < math.inf and 0 < self.temperature < math.inf):
            raise UserError(
                "--objective.contrast should be 0 or more and --objective.temperature above 0, "
                f"got {self.contrast} and {self.temperature}"
            )

    def __call__(self, output: Pooled, batch: Batch) -> Tensor:
        """The guided loss, plus the contrastive one.

        Raises:
            UserError: if the contrastive one counts and the network's encoder changes the width.
        """
        assert batch.weak_BC is not None
        smoothing = (self.audio_smoothing, self.visual_smoothing)
        loss = guided_loss(output, batch.weak_BC, *smoothing, modality_BMC=batch.modality_BMC)
        if not self.contrast:
            return loss
        assert output.encoded is not None
        assert output.encoded.projected_BTMD is not None
        heard_BTD = output.encoded.fused_BTMD[:, :, 0]
        seen_BTD = output.encoded.projected_BTMD[:, :, 1]
        if heard_BTD.shape != seen_BTD.shape:
            raise UserError(
                "--objective.contrast compares features before and after the encoder, which have "
                f"{seen_BTD.shape[-1]} and {heard_BTD.shape[-1]} columns in this network; set it "
                "to 0"
            )
        both_BT = batch.mask_BT & batch.present_BM.all(1, keepdim=True)
        contrast = contrastive_loss(heard_BTD, seen_BTD, both_BT, self.temperature)
        return loss + self.contrast * contrast


@dataclass(kw_only=True, slots=True)
class LocalizationObjective(Objective):
    """A loss of event localization, and the labels that it may see."""

    task: ClassVar[str] = "localization"

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
    """Relevance of every segment and category of the video, fully supervised (CMRAN, DAM)."""

    category_weight: float = 1.0
    """Weight of the category's cross-entropy beside that of the relevance."""

    def __post_init__(self) -> None:
        LocalizationObjective.__post_init__(self)
        if self.supervision != "full":
            raise UserError(
                "the relevance of segments is learned from full supervision; for "
                f"`{self.supervision}` take the recipe `ave-{self.supervision}`"
            )

    def __call__(self, output: Localized, batch: Batch) -> Tensor:
        """The sum of both cross-entropies."""
        assert batch.segment_BT is not None
        assert batch.weak_BC is not None
        return decomposed_loss(
            output, batch.segment_BT, batch.weak_BC, batch.mask_BT, self.category_weight
        )


@dataclass(kw_only=True, slots=True)
class PooledObjective(LocalizationObjective):
    """The video's distribution over classes, pooled from the scores of its segments (weak)."""

    supervision: Kind = "weak"
    """Labels of the videos: `weak` or `proportion`."""
    pool: Literal["max", "mean"] = "max"
    """How the scores of segments become those of the video: `max` (AVE, CMRAN), `mean` (PSP)."""
    loss: Literal["soft-margin", "cross-entropy"] = "soft-margin"
    """`soft-margin` (AVE, CMRAN) or binary `cross-entropy` (PSP) of the video's distribution."""

    def __call__(self, output: Localized, batch: Batch) -> Tensor:
        """The loss of the video-level distribution."""
        assert batch.weak_BC is not None
        return pooled_loss(output, batch.weak_BC, batch.mask_BT, pool=self.pool, loss=self.loss)

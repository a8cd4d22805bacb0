"""Losses of detectors of dense events, and what they are validated by.

Source: Geng et al., "Dense-Localizing Audio-Visual Events in Untrimmed Videos", CVPR 2023, and its
released code. Departures: losses are divided by the number of segments with an event in the batch,
not by a moving average of it, and one head tells events of all lengths.

Shape letters: B batch, T segments, C classes, X seconds before and after a middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import BinaryAveragePrecision

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models.detector import Detected
from mmpyramid.problems.base import Objective


@dataclass(kw_only=True, slots=True)
class DetectionObjective(Objective):
    """Focal loss of what happens, and distance IoU loss of when it starts and ends.

    Raises:
        UserError: if a weight is negative, or the focus is.
    """

    problem: ClassVar[str] = "detection"

    extent_weight: float = 1.0
    """Weight of the loss of starts and ends."""
    focus: float = 2.0
    """Exponent of the focal loss; 0 is cross-entropy."""
    balance: float = 0.25
    """What a segment of an event counts in the focal loss; the others count the rest to 1."""

    def __post_init__(self) -> None:
        Objective.__post_init__(self)
        if not (0 <= self.focus < math.inf and 0 < self.balance < 1):
            raise UserError(
                "--objective.focus should be 0 or more and --objective.balance between 0 and 1, "
                f"got {self.focus} and {self.balance}"
            )

    def __call__(self, output: Detected, batch: Batch) -> Tensor:
        """The sum of both losses, over the number of segments with an event.

        Raises:
            UserError: if the data has no times of events to train on.
        """
        if batch.extent_BTCX is None or batch.audio_BTC is None:
            raise UserError(
                "expected training videos with the times of their events, as UnAV-100 has them, "
                "got annotations of another kind; parsing networks learn from weak labels"
            )
        exists_BTO, happens_BTC = batch.mask_BT[..., None], batch.audio_BTC
        focal_BTC = focal_loss(output.logit_BTC, happens_BTC, self.focus, self.balance)
        extent_BTC = distance_iou_loss(output.extent_BTCX, batch.extent_BTCX)
        loss_BTC = focal_BTC * exists_BTO + self.extent_weight * extent_BTC * happens_BTC
        total: Tensor = loss_BTC.sum() / happens_BTC.sum().clamp(min=1)
        return total


def focal_loss(logit: Tensor, label: Tensor, focus: float = 2.0, balance: float = 0.25) -> Tensor:
    """Focal loss of each element (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017).

    Args:
        logit: of any shape.
        label: 0 or 1, of the same shape.
        focus: exponent of the weight, which is how far the probability is off.
        balance: what ones count; zeros count the rest to 1.

    Example:
        >>> loss = focal_loss(torch.zeros(2), torch.tensor([1.0, 0.0]))
        >>> [round(value, 4) for value in loss.tolist()]
        [0.0433, 0.13]
    """
    entropy = F.binary_cross_entropy_with_logits(logit, label, reduction="none")
    prob = logit.sigmoid()
    off = torch.lerp(prob, 1 - prob, label)
    return (balance * label + (1 - balance) * (1 - label)) * off**focus * entropy


def distance_iou_loss(extent: Tensor, truth: Tensor) -> Tensor:
    """One minus the IoU of two intervals around one point, and how far their middles are apart.

    The distance is squared and relative to the interval that holds both (Zheng et al.,
    "Distance-IoU Loss", AAAI 2020).

    Args:
        extent: (..., 2) seconds before and after the point, above 0.
        truth: the same of the truth; where both are 0 the loss means nothing.

    Example:
        >>> distance_iou_loss(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 3.0])).item()
        0.5625
    """
    shared = torch.minimum(extent, truth).sum(-1)
    whole = torch.maximum(extent, truth).sum(-1)
    union = extent.sum(-1) + truth.sum(-1) - shared
    apart = ((extent[..., 1] - extent[..., 0]) - (truth[..., 1] - truth[..., 0])) / 2
    loss: Tensor = 1 - shared / union + (apart / whole).square()
    return loss


class SegmentPrecision(BinaryAveragePrecision):
    """Average precision of all segments and classes together, in per cent."""

    def __init__(self) -> None:
        super().__init__(thresholds=1000)

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """The number by the name that the best epoch is selected by."""
        return {"segment_ap": 100 * super().compute()}

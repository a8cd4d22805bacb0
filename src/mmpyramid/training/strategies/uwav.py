"""UWAV: soft pseudo labels, balanced classes, and mixtures of segments.

Source: Lai et al., "UWAV: Uncertainty-weighted Weakly-supervised Audio-Visual Video Parsing", CVPR
2025 (the paper; no code was released). Left open there, and ours: each batch mixes every segment
with one other, all by the same share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
import tyro
from torch import Tensor

from mmpyramid.core.errors import UserError
from mmpyramid.models.parsing import ParsingNetwork
from mmpyramid.problems.parsing.composed import Step, Targets, Term
from mmpyramid.problems.parsing.losses import segment_loss
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.strategies.registry import register_strategy
from mmpyramid.training.strategies.valor import SegmentObjective


@dataclass(kw_only=True, slots=True)
class UncertaintyObjective(SegmentObjective):
    """Soft and balanced pseudo labels, and mixtures of encoded segments (UWAV)."""

    soft: bool = True
    """Learn `sigmoid(margin / temperature)`, not whether the margin is above 0."""
    balance_weight: float = 0.5
    """W of the class balance; 0 lets all labels count alike."""
    mixture_weight: float = 1.0
    """Weight of the loss on mixtures of segments."""
    alpha: float = 1.7
    """Both parameters of the beta distribution that a mixture's share comes from."""

    def __post_init__(self) -> None:
        SegmentObjective.__post_init__(self)
        if not 0 < self.alpha < math.inf:
            raise UserError(f"--objective.alpha should be above 0, got {self.alpha}")

    def terms(self) -> Sequence[tuple[float, Term]]:
        """Segments of both streams, the video, and mixtures of segments."""
        return (*SegmentObjective.terms(self), (self.mixture_weight, self._compare_mixtures))

    def _compare_mixtures(self, targets: Targets, step: Step) -> Tensor:
        target_BTMC, weight_BTMC = targets.segments
        encoded = step.output.encoded
        assert encoded is not None
        alpha = torch.full((2,), self.alpha, device=target_BTMC.device)
        share = torch.distributions.Dirichlet(alpha, validate_args=False).sample()[0]
        order = torch.rand(target_BTMC.shape[:2].numel(), device=target_BTMC.device).argsort()
        network = cast(ParsingNetwork, step.network)
        mask_BT = step.batch.mask_BT
        mixed_BT = mask_BT & mask_BT.flatten()[order].view_as(mask_BT)
        prob_BTMC = network.head(
            mix(encoded.fused_BTMD, order, share), mixed_BT, step.batch.present_BM
        ).prob_BTMC
        mixed_BTMC = mix(target_BTMC, order, share)
        known_BTMC = ((weight_BTMC > 0) & (_taken(weight_BTMC, order) > 0)).to(mixed_BTMC.dtype)
        losses = [
            segment_loss(prob_BTMC[:, :, m], mixed_BTMC[:, :, m], known_BTMC[:, :, m], mixed_BT)
            for m in (0, 1)
        ]
        return losses[0] + losses[1]


def mix(values_BTX: Tensor, order: Tensor, share: Tensor) -> Tensor:
    """Each segment with another, (B, T, ...).

    Args:
        values_BTX: of the segments.
        order: (B T,) which segment each is mixed with.
        share: what it keeps of itself.
    """
    return share * values_BTX + (1 - share) * _taken(values_BTX, order)


def _taken(values_BTX: Tensor, order: Tensor) -> Tensor:
    return values_BTX.flatten(0, 1)[order].view_as(values_BTX)


def uwav(config: TrainConfig) -> TrainConfig:
    """Soft and balanced pseudo labels, and mixtures of segments (UWAV, CVPR 2025)."""
    return replace(config, objective=UncertaintyObjective(segment_labels=tyro.MISSING))


register_strategy("uwav", configure=uwav)

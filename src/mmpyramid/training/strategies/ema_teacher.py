"""An averaged copy of the network teaches it: what it is sure of becomes labels of segments.

Source: "Enhanced Cross-Modal Alignment" (arXiv 2509.14097, 2025), of which no code was released.
Ours are its constants: the teacher keeps 0.999 of a step and teaches after five epochs, with half
the weight of the weak labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models.network import Network, Pooled, to_full_precision
from mmpyramid.problems.parsing.composed import ComposedCriterion, Source, Step, Targets, Term
from mmpyramid.problems.parsing.losses import GuidedObjective, segment_term
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.strategies.registry import register_strategy


@dataclass(kw_only=True, slots=True)
class TeacherObjective(GuidedObjective):
    """Individual guided learning, and segments that an averaged copy of the network is sure of."""

    keep: float = 0.999
    """What a step keeps of the teacher's weights."""
    start: int = 5
    """Epochs before the teacher teaches."""
    teacher_weight: float = 0.5
    """Weight of the segments that the teacher is sure of."""
    agreement_weight: float = 0.1
    """Weight of the distance of both modalities where both have a class."""

    def __post_init__(self) -> None:
        GuidedObjective.__post_init__(self)
        if not 0 <= self.keep < 1:
            raise UserError(f"--objective.keep should be 0 or more and below 1, got {self.keep}")
        if self.start < 0:
            raise UserError(f"--objective.start should be 0 or more, got {self.start}")

    def criterion(self, network: Network[Any, Any]) -> TeacherCriterion:
        """What a training run calls, with the teacher."""
        return TeacherCriterion(self, network)

    def sources(self) -> Sequence[Source]:
        """The smoothed weak label, then what the teacher says."""
        return (*GuidedObjective.sources(self), self._ask_teacher)

    def terms(self) -> Sequence[tuple[float, Term]]:
        """The guided terms, segments, and agreement."""
        return (
            *GuidedObjective.terms(self),
            (self.teacher_weight, _compare_segments),
            (self.agreement_weight, _compare_modalities),
        )

    def _ask_teacher(self, targets: Targets, step: Step) -> Targets:
        caller, weak_BC = step.caller, step.batch.weak_BC
        assert weak_BC is not None
        assert isinstance(caller, TeacherCriterion)
        if not caller.phase(caller.epoch):
            none_BTMC = torch.zeros_like(step.output.prob_BTMC)
            return targets._replace(segment_BTMC=none_BTMC, segment_weight_BTMC=none_BTMC)
        prob_BTMC = caller.teach(step.batch).prob_BTMC
        return targets._replace(**_sure_of(prob_BTMC, weak_BC, step.batch.mask_BT))


class TeacherCriterion(ComposedCriterion):
    """Keeps the teacher, which is saved with the run."""

    objective: TeacherObjective

    def __init__(self, objective: TeacherObjective, network: Network[Any, Any]) -> None:
        super().__init__(objective, network)
        from mmpyramid.training.module import AverageOfWeights

        self.teacher = AverageOfWeights(network, objective.keep)

    def phase(self, epoch: int) -> int:
        """1 once the teacher teaches."""
        return int(epoch >= self.objective.start)

    @torch.no_grad()
    def teach(self, batch: Batch) -> Pooled:
        """What the teacher gives for a batch."""
        self.teacher.eval()
        output = self.teacher.module(batch.streams, batch.mask_BT, batch.present_BM)
        return cast(Pooled, to_full_precision(output))

    def finish_step(self) -> None:
        """Move the teacher towards the network."""
        self.teacher.update_parameters(self.network)


def _sure_of(prob_BTMC: Tensor, weak_BC: Tensor, mask_BT: Tensor) -> dict[str, Tensor]:
    """Labels where both streams' mean is at or above that of the class in its videos' segments."""
    both_BTC = prob_BTMC.mean(2)
    has_BTC = weak_BC[:, None] * mask_BT[..., None]
    threshold_C = (both_BTC * has_BTC).sum((0, 1)) / has_BTC.sum((0, 1)).clamp(min=1)
    is_sure_BTC = (both_BTC >= threshold_C) & (has_BTC > 0)
    label_BTMC = (prob_BTMC >= 0.5).to(prob_BTMC.dtype)
    weight_BTMC = is_sure_BTC[:, :, None].to(prob_BTMC.dtype).expand_as(prob_BTMC)
    return {"segment_BTMC": label_BTMC, "segment_weight_BTMC": weight_BTMC}


def _compare_segments(targets: Targets, step: Step) -> Tensor:
    """The segments that count, over their weights."""
    _, weight_BTMC = targets.segments
    num_entries = step.batch.mask_BT.sum() * weight_BTMC.shape[-1]
    loss = segment_term(0)(targets, step) + segment_term(1)(targets, step)
    counted = (weight_BTMC * step.batch.mask_BT[:, :, None, None]).sum() / 2
    return loss * num_entries / counted.clamp(min=1)


def _compare_modalities(targets: Targets, step: Step) -> Tensor:
    """One minus the cosine of both modalities, where a class is both heard and seen."""
    target_BTMC, weight_BTMC = targets.segments
    encoded = step.output.encoded
    assert encoded is not None
    heard_BTD, seen_BTD = encoded.fused_BTMD.unbind(2)
    distance_BT = 1 - F.cosine_similarity(heard_BTD, seen_BTD, dim=-1)
    both_BT = (target_BTMC * weight_BTMC).prod(2).amax(-1) * step.batch.mask_BT
    return (distance_BT * both_BT).sum() / both_BT.sum().clamp(min=1)


def ema_teacher(config: TrainConfig) -> TrainConfig:
    """An averaged copy of the network labels the segments that it is sure of (E-CMA, 2025)."""
    return replace(config, objective=TeacherObjective())


register_strategy("ema-teacher", configure=ema_teacher)

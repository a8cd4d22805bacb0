"""Objectives of parsing that are put together: sources of labels, loss terms, augmentations.

A source says what a batch is compared with, or changes what an earlier one said. A term compares
one thing. An augmentation changes a batch before the network sees it. A strategy is a choice of
these with their weights, one `ComposedObjective`.

Shape letters: B batch, T segments, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

from torch import Tensor

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models.network import Network, Pooled
from mmpyramid.problems.base import Objective
from mmpyramid.problems.criterion import Criterion


class Targets(NamedTuple):
    """What a network's probabilities are compared with, all within 0..1.

    Attributes:
        video_BC: of the whole video.
        stream_BMC: of each modality in the whole video.
        segment_BTMC: of each modality in each segment, where a teacher says so.
        segment_weight_BTMC: how much each of these counts; 0 where nothing is known.
    """

    video_BC: Tensor
    stream_BMC: Tensor
    segment_BTMC: Tensor | None = None
    segment_weight_BTMC: Tensor | None = None

    @property
    def segments(self) -> tuple[Tensor, Tensor]:
        """Targets of segments with their weights, of an objective that asks for them."""
        assert self.segment_BTMC is not None
        assert self.segment_weight_BTMC is not None
        return self.segment_BTMC, self.segment_weight_BTMC


class Step(NamedTuple):
    """What sources and terms look at.

    Attributes:
        output: what the network gave, in float32 or better.
        batch: what it was given.
        criterion: the caller; None where an objective is called by itself.
    """

    output: Pooled
    batch: Batch
    criterion: Criterion | None = None

    @property
    def caller(self) -> Criterion:
        """The criterion that called, for what needs more than the output of the network."""
        assert self.criterion is not None, "this objective is called through its `criterion`"
        return self.criterion

    @property
    def network(self) -> Network[Pooled, Any]:
        """The network that is trained."""
        return self.caller.network


Source: TypeAlias = Callable[[Targets, Step], Targets]
Term: TypeAlias = Callable[[Targets, Step], Tensor]
Augmentation: TypeAlias = Callable[[Batch, Network[Pooled, Any]], Batch]


@dataclass(kw_only=True, slots=True)
class ComposedObjective(Objective):
    """A weighted sum of terms, compared with what sources of labels say.

    Raises:
        UserError: if a weight is negative, or all are 0.
    """

    problem: ClassVar[str] = "parsing"

    def __post_init__(self) -> None:
        Objective.__post_init__(self)
        if not any(weight for weight, _ in self.terms()):
            raise UserError(
                "expected a term of the loss that counts, got the weight 0 for each; set an "
                "--objective weight above 0"
            )

    @abstractmethod
    def terms(self) -> Sequence[tuple[float, Term]]:
        """The terms with their weights; those of weight 0 are not computed."""

    def sources(self) -> Sequence[Source]:
        """What changes the weak labels, one after the other."""
        return ()

    def augmentations(self) -> Sequence[Augmentation]:
        """What changes a batch for the network, one after the other."""
        return ()

    def __call__(self, output: Pooled, batch: Batch, criterion: Criterion | None = None) -> Tensor:
        """The weighted sum.

        Args:
            output: what the network gave, in float32 or better.
            batch: what it was given.
            criterion: the caller; None is enough for objectives that read the output alone.
        """
        step = Step(output, batch, criterion)
        weak_BC = batch.weak_BC
        assert weak_BC is not None
        targets = Targets(weak_BC, weak_BC[:, None].expand(-1, 2, -1))
        for source in self.sources():
            targets = source(targets, step)
        values = [weight * term(targets, step) for weight, term in self.terms() if weight]
        total, *others = values
        for value in others:
            total = total + value
        return total

    def criterion(self, network: Network[Any, Any]) -> ComposedCriterion:
        """What a training run calls."""
        return ComposedCriterion(self, network)


class ComposedCriterion(Criterion):
    """Calls a composed objective with the network at hand."""

    objective: ComposedObjective

    def augment(self, batch: Batch) -> Batch:
        """Change a batch as the objective says."""
        for change in self.objective.augmentations():
            batch = change(batch, self.network)
        return batch

    def forward(self, output: Pooled, batch: Batch) -> Tensor:
        """The weighted sum of the terms."""
        return self.objective(output, batch, self)

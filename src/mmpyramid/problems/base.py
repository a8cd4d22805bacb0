"""What a problem is: how scores become decisions, and decisions numbers.

Scores, networks and objectives carry the name of their problem; `problem_named` finds it. One more
problem is one more folder: its `Scores`, a network, an objective and a `Problem`, which
`register_problem` makes known.

Shape letters: B batch, T segments, C classes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import AnyScores, Array, Decoder, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.progress import progress
from mmpyramid.core.runs import Mask

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

    from mmpyramid.core.batch import Batch
    from mmpyramid.datasets import Dataset
    from mmpyramid.datasets.base import Supervision
    from mmpyramid.models import Network
    from mmpyramid.problems.criterion import Criterion

BATCH = 128
"""Videos scored at once, in evaluation and in validation."""

DIVERGED = (
    "expected scores from the network, got NaN: its training has diverged. Train it again with a "
    "lower --learning-rate, or limit the gradients with --clip-norm 1"
)

VideoScores: TypeAlias = dict[str, dict[str, float]]
"""Level to measure to per cent, of one video."""


class Report(Protocol):
    """The official numbers of a problem."""

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, in per cent and unrounded."""
        ...


S = TypeVar("S", bound=AnyScores)
R = TypeVar("R", bound=Report)


@dataclass(kw_only=True, slots=True)
class Objective(ABC):
    """What a training run minimizes: a loss with its settings, called with output and batch.

    Raises:
        UserError: if a weight is negative.

    Example:
        >>> from mmpyramid.problems.parsing.losses import GuidedObjective
        >>> issubclass(GuidedObjective, Objective), GuidedObjective.problem
        (True, 'parsing')
    """

    problem: ClassVar[str]
    """Name of the problem that it is for."""
    reads_modalities: ClassVar[bool] = False
    """Whether it learns from labels that say what is heard and what is seen (MA)."""

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self) if one.name.endswith("_weight")):
            weight, flag = getattr(self, name), name.replace("_", "-")
            if not 0 <= weight < math.inf:
                raise UserError(f"--objective.{flag} should be 0 or more, got {weight}")

    def labels(self, refined: Path | None = None) -> Supervision:
        """Which labels of the training split this learns from.

        Args:
            refined: a file of modality-aware labels.

        Raises:
            UserError: if there is such a file, and the loss would not read it.
        """
        from mmpyramid.datasets.base import Supervision

        if refined and not self.reads_modalities:
            raise UserError(
                "modality-aware labels are for recipes whose loss reads them, such as `llp` and "
                "`han`; for this one leave --refined out"
            )
        return Supervision(refined=refined)

    @abstractmethod
    def __call__(self, output: Any, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar."""

    def criterion(self, network: Network[Any, Any]) -> Criterion:
        """What a training run calls: the objective with whatever state it needs.

        Args:
            network: the one that is trained.
        """
        from mmpyramid.problems.criterion import Criterion

        return Criterion(self, network)


@dataclass(frozen=True, kw_only=True)
class PageArrays:
    """What the script of a page decides from.

    Attributes:
        columns: the classes that are kept.
        segments: (T, columns) by name, probabilities that may be rounded.
        others: arrays of any shape by name, which stay exact.
    """

    columns: list[int]
    segments: dict[str, Array]
    others: dict[str, Array]


class Problem(ABC, Generic[S, R]):
    """How scores of a kind become decisions, and how networks for them are measured.

    Attributes:
        name: which scores, networks and objectives carry.
        selection: the validation number that the best epoch is chosen by.
        selection_title: how it is called in what people read.
        settings: the fields of a `Decoder` that the decision rule reads.

    Example:
        >>> from mmpyramid.problems import problem_named
        >>> problem_named("parsing").name
        'parsing'
    """

    name: ClassVar[str]
    selection: ClassVar[str]
    selection_title: ClassVar[str]
    settings: ClassVar[frozenset[str]]

    @abstractmethod
    def decide(self, scores: S, decoder: Decoder) -> dict[Modality, Mask]:
        """Decide in which segments each class is perceived, (T, C) for each modality.

        Raises:
            UserError: if a value is no probability, or the decoder needs scores that are not there.
        """

    @abstractmethod
    def values(self, scores: S) -> dict[Modality, Array]:
        """What the score of an event is the mean of, (T, C) within 0..1 for each modality."""

    def page_arrays(self, scores: S, floor: np.float32) -> PageArrays | None:
        """What a page decides from by the rule of this name in `scripts/decode.js`.

        Args:
            scores: probabilities of one video.
            floor: probabilities below may be left out.

        Returns:
            None if the script has no such rule: the page then shows events without probabilities.
        """
        del scores, floor
        return None

    @abstractmethod
    def video_scores(self, predicted: tuple[Mask, Mask], truth: tuple[Mask, Mask]) -> VideoScores:
        """What one video scores, to find those that a network does well or badly on.

        Args:
            predicted: what is predicted to be heard and seen, (T, C) each.
            truth: what is heard and seen.
        """

    @abstractmethod
    def metrics(self, decoder: Decoder) -> Metric:
        """An empty metric for `update`; its `compute` gives a flat dict with `selection` in it."""

    @abstractmethod
    def update(self, metric: Metric, output: Any, batch: Batch) -> None:
        """Add what a network gave for a batch."""

    @abstractmethod
    def evaluate(
        self,
        network: Network[Any, S],
        dataset: Dataset,
        decoder: Decoder | None = None,
        *,
        predictions: Path | None = None,
    ) -> R:
        """The official numbers of a network on a densely annotated split, computed where it is.

        What counts are the segments that exist: those that the features have. Beyond a video's end
        there is neither a prediction nor a truth, here as in `update` and in `references`.

        Args:
            network: for this problem.
            dataset: the split.
            decoder: its gate counts, in parsing; None takes that of the network. Thresholds are
                those of the official numbers.
            predictions: a file to save what the network predicts in, where that is supported.

        Raises:
            UserError: if the network was trained for other labels, or predictions cannot be saved.
        """

    def tuned(
        self,
        network: Network[Any, S],
        dataset: Dataset,
        chosen_on: Dataset,
        decoder: Decoder | None = None,
    ) -> dict[str, R]:
        """The official numbers of a split with thresholds chosen on another, by what these are.

        Args:
            network: for this problem.
            dataset: the split to evaluate on.
            chosen_on: the split to choose on.
            decoder: as in `evaluate`.

        Raises:
            UserError: if this problem has no thresholds to choose, or as `evaluate`.
        """
        del network, dataset, chosen_on, decoder
        raise UserError(
            f"expected a problem with thresholds to tune, got `{self.name}`, whose numbers need "
            "none; leave --tune out"
        )

    @abstractmethod
    def references(self, dataset: Dataset) -> dict[str, R]:
        """What a network has to beat on a split, by name: answers that need no network.

        Raises:
            UserError: if the split has weak labels only.
        """

    @abstractmethod
    def table(self, reports: Mapping[str, R], title: str) -> str:
        """Reports side by side, as text."""

    def check_output(self, output: Any) -> None:
        """Check that a network has not diverged in training; its output is a named tuple.

        Raises:
            UserError: if there is NaN in a tensor of the output.
        """
        if self.has_nan(output):
            raise UserError(DIVERGED)

    def has_nan(self, output: Any) -> Tensor:
        """Whether there is NaN in a tensor of what a network gave, as a tensor where those are."""
        import torch

        tensors = [values for values in output if isinstance(values, torch.Tensor)]
        return torch.stack([values.isnan().any() for values in tensors]).any()

    def outputs(self, network: Network[Any, S], dataset: Dataset) -> Iterator[tuple[Any, Batch]]:
        """What a network gives for each batch of a split, on its own device, with the batch.

        How many videos are done is reported, see `mmpyramid.core.progress`.

        Raises:
            UserError: if the network was trained for other labels, or has diverged.
        """
        import torch

        check_labels(network.labels, dataset.labels)
        network.eval()
        device = next(network.parameters()).device
        with progress("evaluate") as update:
            completed = 0
            for batch in batches(dataset):
                moved = batch.to(device)
                with torch.inference_mode():
                    output = network(moved.streams, moved.mask_BT, moved.present_BM)
                self.check_output(output)
                yield output, moved
                completed += len(batch.mask_BT)
                update(completed, len(dataset))


PROBLEMS: dict[str, Problem[Any, Any]] = {}
"""Name to problem."""


def register_problem(problem: Problem[Any, Any]) -> None:
    """Make a problem known under its name.

    Raises:
        UserError: if another problem has the name.

    Example:
        >>> register_problem(MyProblem())  # doctest: +SKIP
    """
    known = PROBLEMS.get(problem.name, problem)
    if type(known).__qualname__ != type(problem).__qualname__:
        raise UserError(f"there already is a problem `{problem.name}`; give yours another name")
    PROBLEMS[problem.name] = problem


def problem_named(name: str) -> Problem[Any, Any]:
    """The problem of scores, a network or an objective, by the name that they carry.

    Raises:
        UserError: if there is none; the known ones are listed.

    Example:
        >>> problem_named("parsing").selection
        'segment_type_av'
    """
    if name not in PROBLEMS:
        raise UserError(
            f"there is no problem `{name}`; known are {', '.join(PROBLEMS)}. One of your own is "
            "known once its file has been imported (`mmpyramid --code FILE.py COMMAND ...`)"
        )
    return PROBLEMS[name]


def batches(dataset: Dataset) -> Iterator[Batch]:
    """The rows of a split in their order, `BATCH` at once."""
    for start in range(0, len(dataset), BATCH):
        yield dataset.batch(range(start, min(start + BATCH, len(dataset))))


def check_labels(known: Sequence[str], labels: Sequence[str]) -> None:
    """Check that a network was trained for the labels of a data set, in their order.

    Args:
        known: of the network.
        labels: of the data set.

    Raises:
        UserError: if they differ.
    """
    if tuple(known) != tuple(labels):
        raise UserError(
            f"expected a network for the {len(labels)} labels of the corpus ({_some(labels)}), in "
            f"their order; this one knows {len(known)} ({_some(known)})"
        )


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """A tensor as an array; bfloat16, which numpy lacks, as float32."""
    tensor = tensor.detach().cpu()
    name = str(tensor.dtype)
    array: NDArray[Any] = tensor.float().numpy() if name == "torch.bfloat16" else tensor.numpy()
    return array


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (", ..." if len(labels) > 3 else "")

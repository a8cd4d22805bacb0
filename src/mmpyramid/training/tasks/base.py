"""What a task is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torchmetrics import Metric

from mmpyramid.core.batch import Batch
from mmpyramid.datasets.base import Dataset
from mmpyramid.models import Network, NetworkConfig

Corpus = TypeVar("Corpus", bound=Dataset)
Report = TypeVar("Report", bound="Numbers")


class Numbers(Protocol):
    """The official numbers of a task."""

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, in per cent and unrounded."""
        ...


class Task(ABC, Generic[Corpus, Report]):
    """How networks of a task are validated and evaluated.

    Attributes:
        selection: the validation number that the best epoch is chosen by.
        selection_title: how it is called in what people read.
    """

    selection: ClassVar[str]
    selection_title: ClassVar[str]

    @abstractmethod
    def metrics(self, model: NetworkConfig) -> Metric:
        """An empty metric for `update`; its `compute` gives a flat dict with `selection` in it."""

    @abstractmethod
    def update(self, metric: Metric, output: Any, batch: Batch) -> None:
        """Add what a network gave for a batch."""

    @abstractmethod
    def evaluate(
        self, network: Network[Any, Any], corpus: Corpus, predictions: Path | None = None
    ) -> Report:
        """The official numbers of a network on a densely annotated split.

        Args:
            network: of this task.
            corpus: the split.
            predictions: where to save what the network predicts, if anywhere (parsing only).

        Raises:
            UserError: if the network was trained for other labels, or predictions cannot be saved.
        """

    @abstractmethod
    def references(self, corpus: Corpus) -> dict[str, Report]:
        """What a network has to beat on a split, by name: answers that need no network.

        Raises:
            UserError: if the split has weak labels only.
        """

    @abstractmethod
    def table(self, reports: Mapping[str, Report], title: str) -> str:
        """Reports side by side, as text."""

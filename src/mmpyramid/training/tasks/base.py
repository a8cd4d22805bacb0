"""What a task is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from torch.utils.data import Dataset
from torchmetrics import Metric

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models import Network, NetworkConfig
from mmpyramid.training.objectives import Objective

Split: TypeAlias = Literal["train", "val", "test"]
Corpus = TypeVar("Corpus", bound=Dataset[Batch])
Report = TypeVar("Report", bound="Numbers")


class Numbers(Protocol):
    """The official numbers of a task."""

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, in per cent and unrounded."""
        ...


class Known(Protocol):
    """The annotations of a split."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names."""
        ...

    @property
    def num_segments(self) -> int:
        """The length of its longest video."""
        ...

    def __len__(self) -> int: ...


class Task(ABC, Generic[Corpus, Report]):
    """How data of a task is read, and how networks of it are validated and evaluated.

    Attributes:
        selection: the validation number that the best epoch is chosen by.
        selection_title: how it is called in what people read.
    """

    selection: ClassVar[str]
    selection_title: ClassVar[str]

    @abstractmethod
    def annotations(self, data: Path, split: Split, objective: Objective | None = None) -> Known:
        """What is known about a split, without its features.

        Args:
            data: corpus folder.
            split: which split.
            objective: for training, which labels the network may see.

        Raises:
            UserError: if the annotations cannot be read, or there are no videos.
        """

    @abstractmethod
    def open(
        self,
        data: Path,
        split: Split,
        model: NetworkConfig,
        *,
        features: Path | None = None,
        objective: Objective | None = None,
        refined: Path | None = None,
    ) -> Corpus:
        """Open a split for a network.

        Args:
            data: corpus folder.
            split: which split.
            model: its streams are read.
            features: where the features are, if not in the corpus folder.
            objective: for training, which labels the network may see.
            refined: for training, a file of modality-aware labels (parsing only).

        Raises:
            UserError: if annotations or features cannot be used.
        """

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
    def references(self, data: Path, split: Split) -> dict[str, Report]:
        """What a network has to beat on a split, by name: answers that need no network.

        Raises:
            UserError: if the annotations cannot be read, or the split has weak labels only.
        """

    @abstractmethod
    def table(self, reports: Mapping[str, Report], title: str) -> str:
        """Reports side by side, as text."""


def refuse_empty(annotations: Known, data: Path, split: Split) -> None:
    """Refuse a split of which nothing can be learned or measured.

    Raises:
        UserError: if it has no videos.
    """
    if not len(annotations):
        raise UserError(
            f"expected videos in the {split} split of {data}, but its annotations name none; add "
            "some, or take another corpus"
        )

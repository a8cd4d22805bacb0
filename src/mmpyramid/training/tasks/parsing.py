"""Weakly supervised audio-visual video parsing (LLP)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torchmetrics import Metric

from mmpyramid.core.batch import Batch
from mmpyramid.datasets.base import Dataset
from mmpyramid.models import Network, NetworkConfig, ParsingConfig
from mmpyramid.models.network import Pooled
from mmpyramid.problems.parsing import (
    ParsingReport,
    comparison_table,
    nothing_predicted,
    weak_labels_everywhere,
)
from mmpyramid.problems.parsing.stateful import ParsingMetrics
from mmpyramid.training.evaluate import predict_corpus, report_of
from mmpyramid.training.tasks.base import Task


class ParsingTask(Task[Dataset, ParsingReport]):
    """Trains on weak labels; selects by segment-level Type@AV, as the released code does."""

    selection: ClassVar[str] = "segment_type_av"
    selection_title: ClassVar[str] = "segment-level Type@AV"

    def metrics(self, model: NetworkConfig) -> Metric:
        """The ten official numbers, with the gate of the network."""
        assert isinstance(model, ParsingConfig)
        return ParsingMetrics(gate=model.gate)

    def update(self, metric: Metric, output: Pooled, batch: Batch) -> None:
        """Add a batch."""
        metric.update(
            output.prob_BTMC[:, :, 0],
            output.prob_BTMC[:, :, 1],
            output.video_BC,
            batch.audio_BTC,
            batch.visual_BTC,
            batch.mask_BT,
            video_audio_BC=output.stream_BMC[:, 0],
            video_visual_BC=output.stream_BMC[:, 1],
        )

    def evaluate(
        self, network: Network[Any, Any], corpus: Dataset, predictions: Path | None = None
    ) -> ParsingReport:
        """The ten official numbers, with the gate of the network."""
        assert isinstance(network.config, ParsingConfig)
        predicted = predict_corpus(network, corpus)
        if predictions:
            predictions.parent.mkdir(parents=True, exist_ok=True)
            predicted.save(predictions)
        return report_of(predicted, corpus, network.config.gate)

    def references(self, corpus: Dataset) -> dict[str, ParsingReport]:
        """What needs no network: the true weak labels everywhere, and nothing."""
        truth = corpus.masks
        return {
            "weak labels on all segments": weak_labels_everywhere(corpus.weak, *truth),
            "nothing": nothing_predicted(*truth),
        }

    def table(self, reports: Mapping[str, ParsingReport], title: str) -> str:
        """Reports side by side, as text."""
        return comparison_table(reports, title)

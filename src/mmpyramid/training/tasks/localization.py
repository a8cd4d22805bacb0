"""Audio-visual event localization (AVE), under any supervision.

Shape letters: B batch, T segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.ave import AVEDataset
from mmpyramid.models import Network, NetworkConfig
from mmpyramid.models.localization import argmax_decision, two_head_decision
from mmpyramid.models.network import Localized
from mmpyramid.problems.localization.metrics import (
    LocalizationReport,
    background_everywhere,
    category_everywhere,
    localization_table,
)
from mmpyramid.problems.localization.stateful import LocalizationMetrics
from mmpyramid.training.evaluate import BATCH, check_labels, refuse_nan
from mmpyramid.training.tasks.base import Task


class LocalizationTask(Task[AVEDataset, LocalizationReport]):
    """Selects by accuracy on all validation clips, by the two-head rule."""

    selection: ClassVar[str] = "accuracy_two_head"
    selection_title: ClassVar[str] = "accuracy (two-head rule)"

    def metrics(self, model: NetworkConfig) -> Metric:
        """The accuracies by both rules, on all clips and on the subset."""
        del model
        return LocalizationMetrics()

    def update(self, metric: Metric, output: Localized, batch: Batch) -> None:
        """Add a batch."""
        assert batch.segment_BT is not None
        assert batch.weak_BC is not None
        background = batch.weak_BC.shape[-1] - 1
        is_subset_B = (batch.segment_BT == background).any(1)
        decisions = decide(output, background, batch.mask_BT)
        metric.update(*decisions, batch.segment_BT, is_subset_B, batch.mask_BT)

    @torch.inference_mode()
    def evaluate(
        self, network: Network[Any, Any], corpus: AVEDataset, predictions: Path | None = None
    ) -> LocalizationReport:
        """The accuracies by both rules, on all clips and on the subset."""
        if predictions:
            raise UserError("predictions are saved of parsing networks only; this one localizes")
        check_labels(network, corpus.labels)
        network.eval()
        device = next(network.parameters()).device
        metrics = LocalizationMetrics().to(device)
        for start in range(0, len(corpus), BATCH):
            rows = range(start, min(start + BATCH, len(corpus)))
            batch = corpus.batch(rows).to(device)
            output = network(batch.streams, batch.mask_BT, batch.present_BM)
            refuse_nan(output)
            self.update(metrics, output, batch)
        return metrics.report()

    def references(self, corpus: AVEDataset) -> dict[str, LocalizationReport]:
        """What needs no network: the true category everywhere, and background everywhere."""
        truth = corpus.annotations
        return {
            "category everywhere": category_everywhere(
                truth.category, truth.segment, truth.is_subset
            ),
            "background everywhere": background_everywhere(
                truth.segment, truth.is_subset, truth.background
            ),
        }

    def table(self, reports: Mapping[str, LocalizationReport], title: str) -> str:
        """Reports side by side, as text."""
        return localization_table(reports, title)


def decide(output: Localized, background: int, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """The class of each segment by the argmax rule and by the two-head rule, (B, T) each."""
    return argmax_decision(output), two_head_decision(output, background, mask_BT)

"""Localization networks: one category per video, and when it happens.

Shape letters: B batch, T segments, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.core import Array, LocalizationScores
from mmpyramid.core.batch import Batch
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.models.network import Network, NetworkConfig, window_starts
from mmpyramid.models.outputs import Localized


@dataclass(kw_only=True, slots=True)
class LocalizationConfig(NetworkConfig):
    """What every localization network's configuration holds; defaults are the AVE setting."""

    labels: tuple[str, ...] = AVE_LABELS
    """Event categories in the order of the outputs; the background comes after them."""
    visual_streams: dict[str, int] = field(default_factory=lambda: {"vgg19": 512})
    """Width of each visual stream by name."""


class LocalizationNetwork(Network[Localized, LocalizationScores]):
    """A network that says which event a video shows, and in which segments.

    A subclass writes `score`; a video longer than the network was trained on is scored in
    half-overlapping windows, and a segment takes the mean over those that it is in.
    """

    problem = "localization"
    config: LocalizationConfig

    @property
    def reach(self) -> int:
        """Windows of the trained length are scored each on its own."""
        return self.context

    def results(self, batch: Batch) -> list[LocalizationScores]:
        """Score videos of any length."""
        lengths = batch.mask_BT.sum(1).tolist()
        return [self._scores_of(batch, row, length) for row, length in enumerate(lengths)]

    def _scores_of(self, batch: Batch, row: int, length: int) -> LocalizationScores:
        starts = window_starts(length, self.context)
        size = min(length, self.context)
        streams = {
            name: torch.stack([values[row, start : start + size] for start in starts])
            for name, values in batch.streams.items()
        }
        every = torch.ones(len(starts), size, dtype=torch.bool, device=batch.mask_BT.device)
        present_BM = batch.present_BM[row].expand(len(starts), -1)
        output: Localized = self(streams, every, present_BM)
        relevance_BT, category_BC = event_probabilities(output, len(self.labels), every)
        category_BTC = category_BC[:, None].expand(-1, size, -1)
        category_TC = overlap_mean(category_BTC, starts, length)
        weights = output.unit_weights_BTML
        return LocalizationScores(
            relevance=overlap_mean(relevance_BT, starts, length),
            category=category_TC.mean(0),
            labels=self.labels,
            local_category=category_TC if length > self.context else None,
            unit_weights=None if weights is None else overlap_mean(weights, starts, length),
        )


def overlap_mean(windows: Tensor, starts: Sequence[int], length: int) -> Array:
    """Mean of overlapping windows (W, S, ...) in each of `length` segments, (length, ...) float32.

    Example:
        >>> overlap_mean(torch.tensor([[1.0, 1.0], [3.0, 3.0]]), [0, 1], 3).tolist()
        [1.0, 2.0, 3.0]
    """
    total = windows.new_zeros(length, *windows.shape[2:], dtype=torch.float32)
    count = torch.zeros_like(total)
    for start, values in zip(starts, windows, strict=True):
        total[start : start + len(values)] += values
        count[start : start + len(values)] += 1
    mean: Array = (total / count).cpu().numpy()
    return mean


def event_probabilities(
    output: Localized, num_classes: int, mask_BT: Tensor
) -> tuple[Tensor, Tensor]:
    """Relevance (B, T) and category (B, C) probabilities, whatever heads the network has.

    A network that decomposes the problem gives both. For one that scores classes and
    background segment by segment, relevance is what its softmax does not give to the background,
    and the category is the mean over existing segments of the event scores' softmax.
    """
    if output.relevance_BT is not None and output.category_BC is not None:
        category_BC = output.category_BC.softmax(-1)[:, :num_classes]
        return torch.sigmoid(output.relevance_BT), category_BC
    relevance_BT = 1 - output.score_BTC.softmax(-1)[..., num_classes]
    category_BTC = F.softmax(output.score_BTC[..., :num_classes], dim=-1) * mask_BT[..., None]
    return relevance_BT, category_BTC.sum(1) / mask_BT.sum(1, keepdim=True)

"""Parsing networks: an encoder of any kind under attentive MMIL pooling.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes, L pyramid
units.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from mmpyramid.data.batch import Batch
from mmpyramid.labels import LLP_LABELS
from mmpyramid.models.heads import AttentiveMMIL
from mmpyramid.models.network import Network, NetworkConfig, window_starts
from mmpyramid.models.outputs import Encoded, Pooled
from mmpyramid.types import Scores

Gate: TypeAlias = Literal["global", "per_modality"]


@dataclass(kw_only=True, slots=True)
class ParsingConfig(NetworkConfig):
    """What every parsing network's configuration holds; defaults are the published LLP setting."""

    labels: tuple[str, ...] = LLP_LABELS
    """Class names in the order of the outputs."""
    visual_streams: dict[str, int] = field(
        default_factory=lambda: {"resnet152": 2048, "r2plus1d_18": 512}
    )
    """Width of each visual stream by name."""
    gate: Gate = "global"
    """Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid) or
    `per_modality` (MA)."""


class ParsingNetwork(Network[Pooled, Scores]):
    """A network that says what can be heard and seen in each segment.

    A subclass writes `encode`; the head and all that follows is here. One that pools in another way
    than by attentive MMIL writes `make_head` as well.
    """

    task = "parsing"
    config: ParsingConfig

    def __init__(self, config: ParsingConfig) -> None:
        super().__init__(config)
        self.head = self.make_head()

    def make_head(self) -> nn.Module:
        """What turns encoded features (B, T, M, D), `mask_BT` and `present_BM` into a `Pooled`.

        It is called before a subclass has made its own layers.
        """
        return AttentiveMMIL(self.config.width, len(self.config.labels))

    @abstractmethod
    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Turn the streams into one feature per segment and modality."""

    def score(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Give the probabilities of segments, streams and videos."""
        encoded = self.encode(streams, mask_BT, present_BM)
        pooled: Pooled = self.head(encoded.fused_BTMD, mask_BT, present_BM)
        return pooled._replace(encoded=encoded)

    def results(self, batch: Batch) -> list[Scores]:
        """Score videos of any length.

        The video-level probability of a long video is the maximum over its windows, and
        `Scores.local_video` tells it segment by segment.
        """
        encoded = self.encode(batch.streams, batch.mask_BT, batch.present_BM)
        return [
            self._scores_of(encoded, row, length, batch.present_BM[row])
            for row, length in enumerate(batch.mask_BT.sum(1).tolist())
        ]

    def _scores_of(self, encoded: Encoded, row: int, length: int, present_M: Tensor) -> Scores:
        fused_TMD = encoded.fused_BTMD[row, :length]
        starts = window_starts(length, self.context)
        size = min(length, self.context)
        windows = torch.stack([fused_TMD[start : start + size] for start in starts])
        every = torch.ones(windows.shape[:2], dtype=torch.bool, device=windows.device)
        pooled: Pooled = self.head(windows, every, present_M.expand(len(windows), -1))
        prob_TMC = fused_TMD.new_zeros(length, 2, len(self.labels))
        local_TC = fused_TMD.new_zeros(length, len(self.labels))
        for start, prob, video in zip(starts, pooled.prob_BTMC, pooled.video_BC, strict=True):
            window = slice(start, start + size)
            prob_TMC[window] = prob
            local_TC[window] = torch.maximum(local_TC[window], video)
        stream_MC = pooled.stream_BMC.amax(0)
        weights = encoded.unit_weights_BTML
        return Scores(
            audio=prob_TMC[:, 0].float().cpu().numpy(),
            visual=prob_TMC[:, 1].float().cpu().numpy(),
            video=pooled.video_BC.amax(0).float().cpu().numpy(),
            labels=self.labels,
            video_audio=stream_MC[0].float().cpu().numpy(),
            video_visual=stream_MC[1].float().cpu().numpy(),
            local_video=local_TC.float().cpu().numpy() if length > self.context else None,
            unit_weights=None if weights is None else weights[row, :length].float().cpu().numpy(),
        )

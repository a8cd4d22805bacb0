"""CMRC: the sound of one video under the pictures of another, with the pseudo labels of both.

Source: Wang et al., "MUG: Pseudo Labeling Augmented Audio-Visual Mamba Network for Audio-Visual
Video Parsing", ICCV 2025 (what has been written of it; no code was released). There such videos are
made once, as many as there are real ones; here they are drawn in every batch, half of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import tyro
from torch import Tensor

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.problems.parsing.composed import Augmentation
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.strategies.registry import register_strategy
from mmpyramid.training.strategies.valor import SegmentObjective


@dataclass(kw_only=True, slots=True)
class CombinationObjective(SegmentObjective):
    """VALOR's losses on real videos and on combinations of two (CMRC)."""

    share: float = 0.5
    """Share of the videos of a batch whose sound is exchanged for that of another."""

    def __post_init__(self) -> None:
        SegmentObjective.__post_init__(self)
        if not 0 <= self.share <= 1:
            raise UserError(f"--objective.share should be in 0..1, got {self.share}")

    def augmentations(self) -> Sequence[Augmentation]:
        """Exchange the sound of some videos."""
        return (lambda batch, network: combine(batch, tuple(network.inputs.audio), self.share),)


def combine(batch: Batch, audio_streams: Sequence[str], share: float) -> Batch:
    """Exchange the sound of some videos for that of other videos of the batch.

    A combination lasts as long as both, and its weak label is the union of what its pseudo labels
    have. Where these are empty in both modalities the video stays as it is.

    Args:
        batch: with pseudo labels.
        audio_streams: which streams are sound.
        share: of the videos, on average.
    """
    pseudo_BTMC, weight_BTMC = batch.pseudo_BTMC, batch.pseudo_weight_BTMC
    assert pseudo_BTMC is not None
    assert weight_BTMC is not None
    assert batch.weak_BC is not None
    size, device = len(batch.mask_BT), batch.mask_BT.device
    other_B = torch.rand(size, device=device).argsort()
    mask_BT = batch.mask_BT & batch.mask_BT[other_B]
    combined_BTMC = torch.stack((pseudo_BTMC[other_B, :, 0], pseudo_BTMC[:, :, 1]), dim=2)
    combined_BTMC = combined_BTMC * mask_BT[:, :, None, None]
    weak_BC = (combined_BTMC > 0.5).any(2).any(1).to(batch.weak_BC.dtype)
    chosen_B = (torch.rand(size, device=device) < share) & weak_BC.any(1) & mask_BT.any(1)

    def where_chosen(combined: Tensor, own: Tensor) -> Tensor:
        return torch.where(chosen_B.view(-1, *[1] * (own.ndim - 1)), combined, own)

    weight = torch.stack((weight_BTMC[other_B, :, 0], weight_BTMC[:, :, 1]), dim=2)
    present = torch.stack((batch.present_BM[other_B, 0], batch.present_BM[:, 1]), dim=1)
    streams = {
        name: where_chosen(values[other_B], values) if name in audio_streams else values
        for name, values in batch.streams.items()
    }
    return replace(
        batch,
        streams=streams,
        mask_BT=where_chosen(mask_BT, batch.mask_BT),
        present_BM=where_chosen(present, batch.present_BM),
        weak_BC=where_chosen(weak_BC, batch.weak_BC),
        pseudo_BTMC=where_chosen(combined_BTMC, pseudo_BTMC),
        pseudo_weight_BTMC=where_chosen(weight, weight_BTMC),
    )


def cmrc(config: TrainConfig) -> TrainConfig:
    """VALOR, on combinations of the tracks of two videos as well (CMRC, ICCV 2025)."""
    return replace(config, objective=CombinationObjective(segment_labels=tyro.MISSING))


register_strategy("cmrc", configure=cmrc)

"""The official numbers gathered batch by batch, on any number of devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from mmpyramid.core import Gate
from mmpyramid.core.errors import UserError
from mmpyramid.problems.base import to_numpy
from mmpyramid.problems.parsing.decisions import Threshold, llp_masks
from mmpyramid.problems.parsing.metrics import (
    LEVELS,
    MEASURES,
    ParsingReport,
    parsing_f_scores,
    report_from_means,
)

_UNIT = 2**40
"""One in fixed point. Sums of integers do not depend on the order of videos or on the number of
devices, and every accelerator has them, unlike float64; the error of a mean is below 1e-12."""


class ParsingMetrics(Metric):
    """The ten numbers of audio-visual video parsing as a torchmetrics `Metric`.

    Its state is one sum per level and measure and the number of videos, whatever the size of the
    data set. Every video that is added counts, also one that was added before.

    Args:
        gate: what decides that a video has a class, see `llp_masks`.
        threshold: for segments.
        video_threshold: for videos.
        iou_threshold: overlap that makes two events one.
        **kwargs: of `torchmetrics.Metric`.

    Example:
        >>> prob_BTC, target_BTC = torch.tensor([[[0.9], [0.2]]]), torch.tensor([[[1], [0]]])
        >>> metrics = ParsingMetrics()
        >>> metrics.update(prob_BTC, prob_BTC, torch.tensor([[0.8]]), target_BTC, target_BTC)
        >>> metrics.report().segment.type_av
        100.0
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    f_sum: Tensor
    num_videos: Tensor

    def __init__(
        self,
        *,
        gate: Gate = "global",
        threshold: Threshold = 0.5,
        video_threshold: Threshold = 0.5,
        iou_threshold: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.gate: Gate = gate
        self.threshold = threshold
        self.video_threshold = video_threshold
        self.iou_threshold = iou_threshold
        empty = torch.zeros(len(LEVELS), len(MEASURES), dtype=torch.int64)
        self.add_state("f_sum", empty, dist_reduce_fx="sum")
        self.add_state("num_videos", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self,
        audio_BTC: Tensor,
        visual_BTC: Tensor,
        video_BC: Tensor,
        target_audio_BTC: Tensor,
        target_visual_BTC: Tensor,
        mask_BT: Tensor | None = None,
        *,
        video_audio_BC: Tensor | None = None,
        video_visual_BC: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            audio_BTC: probability that a class is heard in a segment.
            visual_BTC: probability that a class is seen in a segment.
            video_BC: probability that a class occurs in the video.
            target_audio_BTC: what is heard, 0 and 1.
            target_visual_BTC: what is seen, 0 and 1.
            mask_BT: True where a segment exists; without it all do.
            video_audio_BC: as `video_BC`, of the audio stream alone, for the gate `per_modality`.
            video_visual_BC: the same of the visual stream alone.

        Raises:
            UserError: if shapes disagree or values are not probabilities.
        """
        predicted = llp_masks(
            to_numpy(audio_BTC),
            to_numpy(visual_BTC),
            to_numpy(video_BC),
            gate=self.gate,
            threshold=self.threshold,
            video_threshold=self.video_threshold,
            video_audio=None if video_audio_BC is None else to_numpy(video_audio_BC),
            video_visual=None if video_visual_BC is None else to_numpy(video_visual_BC),
        )
        f_B24 = parsing_f_scores(
            *predicted,
            to_numpy(target_audio_BTC),
            to_numpy(target_visual_BTC),
            mask_NT=None if mask_BT is None else to_numpy(mask_BT.bool()),
            iou_threshold=self.iou_threshold,
        )
        fixed_24 = np.rint(f_B24 * _UNIT).astype(np.int64).sum(axis=0)
        self.f_sum += torch.from_numpy(fixed_24).to(self.f_sum.device)
        self.num_videos += len(f_B24)

    def compute(self) -> dict[str, float]:
        """The ten numbers in per cent by name, for instance `segment_type_av`.

        Raises:
            UserError: if no video was added.
        """
        if self.num_videos == 0:
            raise UserError("expected at least one video before `compute`, call `update` first")
        means_24 = self.f_sum.cpu().numpy() / (_UNIT * self.num_videos.item())
        report = report_from_means(means_24).to_dict()
        return {
            f"{level}_{column}": value
            for level, scores in report.items()
            for column, value in scores.items()
        }

    def report(self) -> ParsingReport:
        """The same numbers as a report, reduced over devices like `compute`."""
        flat = self.compute()
        return ParsingReport.from_dict(
            {
                level: {
                    key.removeprefix(f"{level}_"): value
                    for key, value in flat.items()
                    if key.startswith(f"{level}_")
                }
                for level in LEVELS
            }
        )

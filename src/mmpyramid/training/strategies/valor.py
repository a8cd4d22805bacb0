"""VALOR: teachers say what is heard and seen in each segment, and the network learns that.

Source: Lai, Chen & Wang, "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser", NeurIPS 2023, and its released code: each segment of either modality is compared with its
pseudo label, and the whole video with its weak label, without smoothing; the streams' own
video-level probabilities are not trained. Departures: probabilities are clamped where the release
takes logits, and optimizer and schedule stay the recipe's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.base import Supervision
from mmpyramid.datasets.segment_labels import SegmentLabels
from mmpyramid.problems.parsing.composed import ComposedObjective, Source, Step, Targets, Term
from mmpyramid.problems.parsing.losses import segment_term, video_term
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.strategies.registry import register_strategy


@dataclass(kw_only=True, slots=True)
class SegmentObjective(ComposedObjective):
    """Pseudo labels of segments, beside the weak label of the video (VALOR)."""

    segment_labels: Annotated[Path, tyro.conf.arg(aliases=["--segment-labels"])]
    """Folder with pseudo labels: `audio/ID.npy` and `visual/ID.npy`, or as VALOR has them."""
    soft: bool = False
    """Learn `sigmoid(margin / temperature)`, not whether the margin is above 0."""
    temperature: float = 1.0
    """What the margins of soft labels are divided by."""
    balance_weight: float = 0.0
    """W of UWAV's class balance; 0 lets all labels count alike."""
    audio_weight: float = 1.0
    """Weight of the segments of the audio stream."""
    visual_weight: float = 1.0
    """Weight of the segments of the visual stream."""
    video_weight: float = 1.0
    """Weight of the whole video's weak label."""

    def labels(self, refined: Path | None = None) -> Supervision:
        """The pseudo labels, beside the weak ones.

        Raises:
            UserError: if there is a file of modality-aware labels as well.
        """
        if refined:
            raise UserError(
                "modality-aware labels have no use where pseudo labels say what is heard and seen "
                "in each segment; leave --refined out, or take another --strategy"
            )
        return Supervision(
            segments=SegmentLabels(
                folder=self.segment_labels,
                soft=self.soft,
                temperature=self.temperature,
                balance=self.balance_weight,
            )
        )

    def sources(self) -> Sequence[Source]:
        """The pseudo labels of the batch."""
        return (pseudo_labels,)

    def terms(self) -> Sequence[tuple[float, Term]]:
        """Segments of both streams, and the video."""
        return (
            (self.video_weight, video_term),
            (self.audio_weight, segment_term(0)),
            (self.visual_weight, segment_term(1)),
        )


def pseudo_labels(targets: Targets, step: Step) -> Targets:
    """Take the segments from the batch; streams have what any of their segments has.

    A stream keeps the label that it had where the teacher knows nothing of any segment.
    """
    segment_BTMC, weight_BTMC = step.batch.pseudo_BTMC, step.batch.pseudo_weight_BTMC
    assert segment_BTMC is not None
    assert weight_BTMC is not None
    is_known_BMC = weight_BTMC.amax(1) > 0
    return targets._replace(
        stream_BMC=torch.where(is_known_BMC, segment_BTMC.amax(1), targets.stream_BMC),
        segment_BTMC=segment_BTMC,
        segment_weight_BTMC=weight_BTMC,
    )


def valor(config: TrainConfig) -> TrainConfig:
    """Hard pseudo labels of segments from teachers (VALOR, NeurIPS 2023)."""
    return replace(config, objective=SegmentObjective(segment_labels=tyro.MISSING))


register_strategy("valor", configure=valor)

"""LSLD: labels of what is seen are soft where the teacher's cosines do not tell 1 from 0.

Source: Fan et al., "Revisit Weakly-Supervised Audio-Visual Video Parsing from the Language
Perspective", NeurIPS 2023, and its released code, whose second stage and loss this is. The hard
labels come from any teacher; in its first stage the release compares each segment with sentences of
all combinations of the video's classes. Cosines are made from margins, see `Softening`. A slope of
0.01 is one unit of CLIP's logits; the offset is ours, the best of 0.16, 0.2 and 0.24 on simulated
LLP, where it leaves labels of 1 nearly hard.

Kept from the release: classes that the weak label lacks can get a soft label, too, and the
modalities' video-level probabilities gate the segments though they are not trained.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import tyro

from mmpyramid.datasets.base import Supervision
from mmpyramid.datasets.segment_labels import Softening
from mmpyramid.models.parsing import ParsingConfig
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.strategies.registry import register_strategy
from mmpyramid.training.strategies.valor import SegmentObjective


@dataclass(kw_only=True, slots=True)
class SoftenedObjective(SegmentObjective):
    """VALOR's losses on hard labels of what is heard and softened ones of what is seen (LSLD)."""

    audio_weight: float = 3.0
    """Weight of the segments of the audio stream."""
    offset: float = 0.24
    """The cosine that a margin of 0 stands for."""
    slope: float = 0.01
    """What a margin of 1 adds to the cosine."""
    ones: float = 4.0
    """What the cosine of an uncertain 1 is multiplied by."""
    zeros: float = 0.4
    """What the cosine of an uncertain 0 is multiplied by."""

    def labels(self, refined: Path | None = None) -> Supervision:
        """The pseudo labels, softened, beside the weak ones.

        Raises:
            UserError: if there is a file of modality-aware labels as well.
        """
        supervision = SegmentObjective.labels(self, refined)
        assert supervision.segments is not None
        softening = Softening(
            offset=self.offset, slope=self.slope, ones=self.ones, zeros=self.zeros
        )
        return replace(supervision, segments=replace(supervision.segments, softening=softening))


def lsld(config: TrainConfig) -> TrainConfig:
    """Pseudo labels that are soft where cosines overlap (LSLD, NeurIPS 2023)."""
    config = replace(config, objective=SoftenedObjective(segment_labels=tyro.MISSING))
    return replace(config, model=replace(cast(ParsingConfig, config.model), gate="per_modality"))


register_strategy("lsld", configure=lsld)

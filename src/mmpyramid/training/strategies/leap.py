"""LEAP: two segments are as similar as what is heard in one and seen in the other.

Source: Zhou et al., "Label-anticipated Event Disentanglement for Audio-Visual Video Parsing", ECCV
2024, and its released code. `leap` is the loss with the head that the recipe has, `leap-decoder`
the loss with LEAP's decoder as head, see `mmpyramid.models.parsing.LabelDecoder`. Departure: under
`leap` the class of a stream's segments has to be found in that stream as a whole, in the release in
either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
import tyro
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.models.parsing import ParsingConfig
from mmpyramid.problems.parsing.composed import Step, Targets, Term
from mmpyramid.problems.parsing.losses import stream_term
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.strategies.registry import register_strategy
from mmpyramid.training.strategies.valor import SegmentObjective

NO_EVENTS = 1e-8
FLOOR = 0.01


@dataclass(kw_only=True, slots=True)
class SimilarityObjective(SegmentObjective):
    """Pseudo labels of segments and of streams, and the similarity of segments (LEAP)."""

    stream_weight: float = 1.0
    """Weight of what each stream has in the whole video: any of its segments' labels."""
    video_weight: float = 0.0
    """Weight of the whole video's weak label, which the released code does not train on."""
    similarity_weight: float = 1.0
    """Weight of the similarity of segments across modalities."""
    similarity: Literal["released", "paper"] = "released"
    """What a pair of segments is asked for: `released`, x / (1 + x) + 0.01 with x the number of
    common events by the largest number in a segment of the video; `paper`, common events by events
    in either."""

    def terms(self) -> Sequence[tuple[float, Term]]:
        """Segments, streams, and the similarity of segments."""
        return (
            *SegmentObjective.terms(self),
            (self.stream_weight, stream_term(0)),
            (self.stream_weight, stream_term(1)),
            (self.similarity_weight, self._compare_similarity),
        )

    def _compare_similarity(self, targets: Targets, step: Step) -> Tensor:
        encoded = step.output.encoded
        assert encoded is not None
        heard_BTD, seen_BTD = F.normalize(encoded.fused_BTMD, dim=-1).unbind(2)
        cosine_BTS = heard_BTD @ seen_BTD.mT
        heard_BTC, seen_BTC = (targets.segments[0] > 0.5).to(cosine_BTS.dtype).unbind(2)
        target_BTS = similarity_target(heard_BTC, seen_BTC, self.similarity)
        mask_BT = step.batch.mask_BT & step.batch.present_BM.all(1, keepdim=True)
        pair_BTS = (mask_BT[:, :, None] & mask_BT[:, None]).to(cosine_BTS.dtype)
        error_BTS = (cosine_BTS.relu() - target_BTS).square() * pair_BTS
        return error_BTS.sum() / pair_BTS.sum().clamp(min=1)


def similarity_target(
    heard_BTC: Tensor, seen_BSC: Tensor, form: Literal["released", "paper"] = "released"
) -> Tensor:
    """How similar a segment of the sound and one of the pictures should be, (B, T, S).

    Args:
        heard_BTC: 1 where a class is heard.
        seen_BSC: 1 where a class is seen.
        form: of the released code, or of the paper.

    Example:
        >>> one = torch.ones(1, 1, 1)
        >>> [round(similarity_target(one, seen).item(), 4) for seen in (one, 0 * one)]
        [0.51, 0.01]
        >>> similarity_target(one, one, "paper").item()
        1.0
    """
    common_BTS = heard_BTC @ seen_BSC.mT
    heard_BT1, seen_B1S = heard_BTC.sum(-1)[:, :, None], seen_BSC.sum(-1)[:, None]
    if form == "paper":
        return common_BTS / (heard_BT1 + seen_B1S - common_BTS).clamp(min=1)
    largest_B = torch.maximum(heard_BT1.amax((1, 2)), seen_B1S.amax((1, 2)))
    share_BTS = common_BTS / largest_B.clamp(min=NO_EVENTS)[:, None, None]
    return share_BTS / (1 + share_BTS) + FLOOR


def leap(config: TrainConfig) -> TrainConfig:
    """Pseudo labels, and the similarity of segments (the loss of LEAP, ECCV 2024)."""
    config = replace(config, objective=SimilarityObjective(segment_labels=tyro.MISSING))
    return replace(config, model=replace(cast(ParsingConfig, config.model), gate="per_modality"))


def leap_decoder(config: TrainConfig) -> TrainConfig:
    """LEAP's decoder as the head of the network, with its loss (ECCV 2024)."""
    config = leap(config)
    model = replace(cast(ParsingConfig, config.model), gate="global", head="leap")
    return replace(config, model=model)


register_strategy("leap", configure=leap)
register_strategy("leap-decoder", configure=leap_decoder)

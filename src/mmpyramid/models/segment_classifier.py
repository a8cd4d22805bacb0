"""Linear classifiers of single segments: what a few examples of a class can teach.

The features of the frozen backbones do the work; see `mmpyramid.teaching`, which fits the weights.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.scores import LONE, NUM_BEST
from mmpyramid.core.text import shorten
from mmpyramid.models.attention import MASKED
from mmpyramid.models.network import LARGEST_SIZE, Encoded, Pooled, check_vectors
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork, PoolingHead
from mmpyramid.models.registry import register

IMPOSSIBLE = math.log(1e-4)
"""Logit of a class that is not there."""


@dataclass(kw_only=True, slots=True)
class SegmentClassifierConfig(ParsingConfig):
    """Which classes are classified by what they sound like, and which by what they look like.

    The field `width` is not read.

    Raises:
        UserError: if a label that is heard or seen is none of the labels.

    Example:
        >>> SegmentClassifierConfig(labels=("Dog", "Rain"), heard=("Rain",)).heard
        ('Rain',)
    """

    architecture: ClassVar[str] = "segment-classifier"

    heard: tuple[str, ...] = ()
    """The labels that can be heard."""
    seen: tuple[str, ...] = ()
    """The labels that can be seen."""
    backbone_classes: dict[str, int] = field(default_factory=dict)
    """How many classes of its own the backbone of a stream has, for streams where these are read
    beside the features."""

    def __post_init__(self) -> None:
        # Classes with slots are made anew, which `super()` without arguments does not know.
        ParsingConfig.__post_init__(self)
        self.heard, self.seen = tuple(self.heard), tuple(self.seen)
        streams = self.inputs.widths
        if not all(
            name in streams and 1 <= number <= LARGEST_SIZE
            for name, number in self.backbone_classes.items()
        ):
            raise UserError(
                f"backbone_classes should be from 1 to {LARGEST_SIZE}, for streams out of "
                f"{', '.join(streams)}; got {shorten(repr(self.backbone_classes))}"
            )
        if strange := sorted({*self.heard, *self.seen} - set(self.labels)):
            raise UserError(
                f"expected labels that are heard or seen to be among the {len(self.labels)} labels "
                f"of the network, got {', '.join(map(repr, strange[:3]))}"
            )


class SurestSegments(PoolingHead):
    """A class is as sure in a video as in its surest segments; the features are its logits.

    That is the mean over the best `NUM_BEST`, or over all if there are fewer; or the best one
    alone, see `LONE`.
    """

    def pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Give probabilities, 0 where a modality is absent."""
        prob_BTMC = x_BTMD.sigmoid() * present_BM[:, None, :, None] * mask_BT[:, :, None, None]
        surest = prob_BTMC.topk(min(NUM_BEST, prob_BTMC.shape[1]), dim=1).values
        num_B = mask_BT.sum(1).clamp(1, NUM_BEST)
        mean_BMC = surest.sum(1) / num_B[:, None, None]
        on_BMC, off_BMC = surest[:, 0] * (1 - LONE), (1 - surest[:, 0]) * LONE
        stream_BMC = torch.maximum(mean_BMC, on_BMC / (on_BMC + off_BMC))
        return Pooled(prob_BTMC, stream_BMC, stream_BMC.amax(1))


@register
class SegmentClassifier(ParsingNetwork):
    """Logistic regression on the features of each segment, one for each modality.

    Args:
        config: kept as a copy.

    Example:
        >>> config = SegmentClassifierConfig(
        ...     labels=("Dog",), audio_streams={"a": 2}, visual_streams={"v": 3}, heard=("Dog",)
        ... )
        >>> pooled = SegmentClassifier(config)({"a": torch.ones(1, 4, 2), "v": torch.ones(1, 4, 3)})
        >>> pooled.prob_BTMC.shape, pooled.prob_BTMC[:, :, 1].max().item()
        (torch.Size([1, 4, 2, 1]), 0.0)
    """

    config_class = SegmentClassifierConfig
    config: SegmentClassifierConfig
    encoder_reach = 0
    learned_MC: Tensor

    def __init__(self, config: SegmentClassifierConfig) -> None:
        super().__init__(config)
        extra, streams = config.backbone_classes, self.inputs
        self.backbone_classes = nn.ModuleDict(
            {name: nn.Linear(streams.widths[name], number) for name, number in extra.items()}
        )
        self.audio, self.visual = (
            nn.Linear(
                sum(width + extra.get(name, 0) for name, width in side.items()), len(self.labels)
            )
            for side in (streams.audio, streams.visual)
        )
        learned_MC = [[label in side for label in self.labels] for side in self.perceived]
        self.register_buffer("learned_MC", torch.tensor(learned_MC), persistent=False)
        self.notes = _notes(config)

    @property
    def perceived(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The labels that it can hear, and those that it can see."""
        return self.config.heard, self.config.seen

    def make_head(self) -> PoolingHead:
        """What turns logits into probabilities."""
        return SurestSegments()

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Give the logits of both modalities; what was not learned is out of the question."""
        del mask_BT, present_BM
        check_vectors(streams, streams)
        logit_BTMC = torch.stack(
            (
                self.audio(self.described(streams, self.inputs.audio)),
                self.visual(self.described(streams, self.inputs.visual)),
            ),
            dim=2,
        )
        return Encoded(logit_BTMC.masked_fill(~self.learned_MC, MASKED), None)

    def described(self, streams: Mapping[str, Tensor], names: Iterable[str]) -> Tensor:
        """Some streams as the linear classifiers read them, side by side, (..., D).

        The square roots of features, which are 0 or more, in vectors of length 1 (the Hellinger
        kernel): what is loud, or rich in contrast, has larger ones, whatever it is. Beside them,
        where they are read, the backbone's own classes: how far the logit of each is above that of
        one in ten thousand, for what lies below does not tell sounds apart.
        """
        parts = []
        for name in names:
            parts.append(F.normalize(streams[name].clamp(min=0).sqrt(), dim=-1))
            if name in self.backbone_classes:
                logit = self.backbone_classes[name](streams[name])
                parts.append(F.normalize((logit - IMPOSSIBLE).clamp(min=0), dim=-1))
        return torch.cat(parts, dim=-1)


def _notes(config: SegmentClassifierConfig) -> tuple[str, ...]:
    """What it can never find, as the teachers tell it: the gist, then the labels."""
    lines = []
    for modality, learned in ((Modality.AUDIO, config.heard), (Modality.VISUAL, config.seen)):
        if missing := [label for label in config.labels if label not in learned]:
            verb = "heard" if modality == Modality.AUDIO else "seen"
            lines.append(f"Never {verb}, as no correction taught it: {'; '.join(missing)}")
    return ("\n".join(lines),) if lines else ()

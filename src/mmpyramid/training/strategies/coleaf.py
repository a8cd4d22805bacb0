"""CoLeaF: beside the network, each modality has a small one of its own that teaches it.

Source: Sardari et al., "CoLeaF: A Contrastive-Collaborative Learning Framework for Weakly
Supervised Audio-Visual Video Parsing", ECCV 2024, and its released code. The reference of a
modality sees that modality alone, so that it cannot take over what only the other one has. From the
second epoch on the network's segments are matched with the reference's, the more so the more of the
video's events are in that modality alone, and its classes should occur together as they do in the
reference, where that is sure. In the first epochs references learn the denoised labels of JoMoLD,
then also what the network is sure of. They are not part of the result.

Departures: the network is any, where the release has CMPAE's, and CMPAE's mutual loss is left out.
References and network take one step together. What the release adds up over a batch is a mean here;
its term of classes that occur together multiplies by the size of the batch where it means to
divide, so the weight below is its 1e-4 times the square of its 128 videos. Its thresholds for
decisions (0.52 of videos, 0.25 of segments) are flags of `score` here.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import MASKED
from mmpyramid.models.network import Network, StreamProjection
from mmpyramid.problems.parsing.composed import Step, Targets, Term
from mmpyramid.problems.parsing.losses import EPSILON, contrastive_loss
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.strategies.jomold import (
    DenoisingCriterion,
    DenoisingObjective,
    fit_jomold,
    jomold,
)
from mmpyramid.training.strategies.registry import register_strategy

SURE = ((0.8, 0.1), (0.6, 0.4))
"""At or above the first, or at or below the second, a reference of a modality is sure."""
NETWORK_SURE = (0.5, 0.6)
"""What the network finds at or above this in a modality teaches the reference."""
WARM_UP, START = 3, 1
"""Epochs in which references learn labels alone, and in which they do not teach."""


@dataclass(kw_only=True, slots=True)
class CollaborativeObjective(DenoisingObjective):
    """JoMoLD's losses, and what a reference of each modality teaches (CoLeaF)."""

    video_weight: float = 2.0
    """Weight of the whole video's label."""
    audio_match_weight: float = 0.009
    """Weight of matching segments with those of the audio reference."""
    visual_match_weight: float = 1.0
    """Weight of matching segments with those of the visual reference."""
    together_weight: float = 1.64
    """Weight of classes that should occur together as in the references."""

    def criterion(self, network: Network[Any, Any]) -> CollaborativeCriterion:
        """What a training run calls, with the references.

        Raises:
            UserError: if the ratios cannot be read.
        """
        return CollaborativeCriterion(self, network)

    def terms(self) -> Sequence[tuple[float, Term]]:
        """JoMoLD's terms, and the references."""
        return (*DenoisingObjective.terms(self), (1.0, self._collaborate))

    def _collaborate(self, targets: Targets, step: Step) -> Tensor:
        """References learn, and teach; neither has a gradient from what it gives the other."""
        caller, batch, output = step.caller, step.batch, step.output
        assert isinstance(caller, CollaborativeCriterion)
        both = [reference(batch.streams, batch.mask_BT) for reference in caller.references]
        prob_BMC = torch.stack([one.prob_BC for one in both], dim=1)
        weight_BM = own_share(prob_BMC.detach())
        loss = prob_BMC.new_zeros(())
        for m, (one, match_weight) in enumerate(
            zip(both, (self.audio_match_weight, self.visual_match_weight), strict=True)
        ):
            found_BC, target_BC = output.stream_BMC[:, m], targets.stream_BMC[:, m]
            present_B = batch.present_BM[:, m]
            learned = learn(one, found_BC.detach(), target_BC, m, caller.epoch)
            loss = loss + (learned * present_B).mean()
            if caller.epoch < START:
                continue
            taught_B = together(found_BC, one.prob_BC.detach(), target_BC, m)
            loss = loss + self.together_weight * (taught_B * present_B).mean()
            loss = loss + match_weight * _match(one, step, m, weight_BM[:, m])
        return loss


class CollaborativeCriterion(DenoisingCriterion):
    """Keeps the references, which are trained and saved with the run."""

    def __init__(self, objective: CollaborativeObjective, network: Network[Any, Any]) -> None:
        super().__init__(objective, network)
        width, num_classes = network.config.width, len(network.labels)
        self.references = nn.ModuleList(
            Reference(streams, width, num_classes)
            for streams in (network.inputs.audio, network.inputs.visual)
        )

    def phase(self, epoch: int) -> int:
        """One more at each epoch from which a step computes something else."""
        return super().phase(epoch) + (epoch >= START) + (epoch >= WARM_UP)


class Referred(NamedTuple):
    """What a reference gives.

    Attributes:
        prob_BC: probability of each class in the modality.
        token_BC: the same from the token of the class.
        encoded_BTD: its segments.
    """

    prob_BC: Tensor
    token_BC: Tensor
    encoded_BTD: Tensor


class Reference(nn.Module):
    """One layer of self-attention over a token for each class and the segments of one modality.

    Args:
        streams: width of each stream of the modality by name.
        width: D.
        num_classes: C.
    """

    def __init__(self, streams: Mapping[str, int], width: int, num_classes: int) -> None:
        super().__init__()
        self.projection = StreamProjection(streams, width)
        self.token_CD = nn.Parameter(torch.zeros(num_classes, width))
        self.layer = nn.TransformerEncoderLayer(width, 1, width, dropout=0.1, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.probability = nn.Linear(width, num_classes)
        self.time_attention = nn.Linear(width, num_classes)

    def forward(self, streams: Mapping[str, Tensor], mask_BT: Tensor) -> Referred:
        """Attend, and pool the segments over time."""
        dtype = self.token_CD.dtype
        segment_BTD = self.projection({name: x.to(dtype) for name, x in streams.items()})
        token_BCD = self.token_CD.expand(len(mask_BT), -1, -1)
        num_classes = token_BCD.shape[1]
        absent_BS = F.pad(~mask_BT, (num_classes, 0))
        out_BSD = self.layer(torch.cat((token_BCD, segment_BTD), 1), src_key_padding_mask=absent_BS)
        encoded_BTD = out_BSD[:, num_classes:]
        over_time_BTC = self.time_attention(encoded_BTD).masked_fill(~mask_BT[..., None], MASKED)
        prob_BTC = self.probability(self.dropout(encoded_BTD)).sigmoid()
        prob_BC = (prob_BTC * over_time_BTC.softmax(1)).sum(1).clamp(max=1)
        return Referred(prob_BC, out_BSD[:, :num_classes].mean(-1).sigmoid(), encoded_BTD)


def learn(one: Referred, found_BC: Tensor, target_BC: Tensor, modality: int, epoch: int) -> Tensor:
    """What a reference has to learn in an epoch, (B,).

    Args:
        one: what the reference gave.
        found_BC: what the network found in the modality.
        target_BC: the denoised label.
        modality: 0 audio, 1 visual.
        epoch: counted from 0.
    """
    by_label_B, by_token_B = (asymmetric_loss(p, target_BC) for p in (one.prob_BC, one.token_BC))
    if epoch < WARM_UP:
        return by_label_B + (1.2, 1.0)[modality] * by_token_B
    sure_BC = (found_BC >= NETWORK_SURE[modality]) * target_BC
    by_network_B = asymmetric_loss(one.prob_BC, sure_BC)
    return 0.5 * (by_label_B + by_network_B) + (0.001, 0.0)[modality] * by_token_B


def asymmetric_loss(prob_BC: Tensor, target_BC: Tensor, margin: float = 0.05) -> Tensor:
    """Asymmetric loss (Ben-Baruch et al., ICCV 2021) with both exponents 1, (B,).

    Each class weighs as much as its probability is off, without a gradient through the weight, and
    what is absent is enough below `margin`.

    Example:
        >>> label = torch.tensor([[1.0, 0.0]])
        >>> round(asymmetric_loss(torch.tensor([[0.5, 0.05]]), label).item(), 4)
        0.3466
    """
    absent_BC = (1 - prob_BC + margin).clamp(max=1)
    log_prob_BC, log_absent_BC = (x.clamp(min=EPSILON).log() for x in (prob_BC, absent_BC))
    likelihood_BC = torch.lerp(log_absent_BC, log_prob_BC, target_BC)
    weight_BC = 1 - torch.lerp(absent_BC, prob_BC, target_BC).detach()
    return -(weight_BC * likelihood_BC).sum(1)


def own_share(prob_BMC: Tensor) -> Tensor:
    """Which share of what is in a modality is in no other one, (B, M); 0 where there is nothing.

    Example:
        >>> own_share(torch.tensor([[[0.9, 0.9, 0.1], [0.9, 0.1, 0.1]]])).tolist()
        [[0.5, 0.0]]
    """
    has_BMC = (prob_BMC >= 0.5).to(prob_BMC.dtype)
    own_BM = (has_BMC * (1 - has_BMC.flip(1))).sum(-1)
    return own_BM / has_BMC.sum(-1).clamp(min=1)


def together(found_BC: Tensor, prob_BC: Tensor, target_BC: Tensor, modality: int) -> Tensor:
    """How far pairs of classes are from occurring together as in the reference, (B,).

    Where the reference is not sure, or the label lacks the class, the network's own probability
    takes its place.

    Args:
        found_BC: what the network found in the modality.
        prob_BC: what the reference found.
        target_BC: the denoised label.
        modality: 0 audio, 1 visual.
    """
    high, low = SURE[modality]
    sure_BC = ((prob_BC >= high) | (prob_BC <= low)) * target_BC
    aim_BC = torch.lerp(found_BC.detach(), prob_BC, sure_BC)
    off_BCC = aim_BC[:, :, None] * aim_BC[:, None] - found_BC[:, :, None] * found_BC[:, None]
    return off_BCC.square().sum((1, 2)) / found_BC.shape[1]


def _match(one: Referred, step: Step, modality: int, weight_B: Tensor) -> Tensor:
    encoded = step.output.encoded
    assert encoded is not None
    own_BTD = encoded.fused_BTMD[:, :, modality]
    if own_BTD.shape != one.encoded_BTD.shape:
        raise UserError(
            f"the references of CoLeaF are {one.encoded_BTD.shape[-1]} wide, as the network says "
            f"that it is, but its segments are {own_BTD.shape[-1]} wide; take another --strategy"
        )
    here_BT = step.batch.mask_BT & step.batch.present_BM[:, modality, None]
    return contrastive_loss(one.encoded_BTD.detach(), own_BTD, here_BT, weight_B=weight_B)


def coleaf(config: TrainConfig) -> TrainConfig:
    """JoMoLD, and a small network of each modality alone that teaches (CoLeaF, ECCV 2024)."""
    config = jomold(config)
    return replace(config, objective=CollaborativeObjective(), epochs=10)


register_strategy("coleaf", fit_jomold, configure=coleaf)

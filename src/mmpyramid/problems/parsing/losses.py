"""Losses and objectives of weakly supervised parsing.

The losses are pure functions of what networks give, in float32 or better: training calls them
outside autocast. An objective is a loss with its settings; what is put together from several is in
`composed`.

Shape letters: B batch, T segments of the audio, S segments of the pictures, M modalities (audio,
visual), C classes, D width, K branches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import MASKED
from mmpyramid.models.baselines.cmcs import split_branches
from mmpyramid.models.baselines.parts import VISUAL
from mmpyramid.models.baselines.stpn import split_attention
from mmpyramid.models.network import Pooled
from mmpyramid.problems.base import Objective
from mmpyramid.problems.parsing.composed import ComposedObjective, Source, Step, Targets, Term

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1, as in the released code."""
COSINE_EPSILON = 1e-6
"""Added to products of norms before they divide, as CMCS released it."""


def smooth(label_BC: Tensor, keep: float) -> Tensor:
    """Pull labels towards 0.5, `keep * y + (1 - keep) / 2`: the released code's label smoothing.

    Example:
        >>> import torch
        >>> smooth(torch.tensor([0.0, 1.0]), 0.9)
        tensor([0.0500, 0.9500])
    """
    return keep * label_BC + (1 - keep) * 0.5


def binary_cross_entropy(prob_BC: Tensor, label_BC: Tensor) -> Tensor:
    """Mean binary cross-entropy of clamped probabilities; NaN counts as 1/2.

    PyTorch's own refuses NaN, on a GPU by an assertion after which the GPU cannot be used any more.
    That a network has diverged is found in its output.
    """
    clamped_BC = prob_BC.clamp(EPSILON, 1 - EPSILON).nan_to_num(0.5)
    return F.binary_cross_entropy(clamped_BC, label_BC)


def stream_target(weak_BC: Tensor, keep: float, present_BC: Tensor | None = None) -> Tensor:
    """The smoothed label of one stream; classes that are not in it become 0, without smoothing.

    Source: step 3 of MA's released code (Wu & Yang, CVPR 2021).

    Args:
        weak_BC: 1 where the class occurs in the video.
        keep: as in `smooth`.
        present_BC: 1 where a class of the video also occurs in this modality; None: everywhere.
    """
    smoothed_BC = smooth(weak_BC, keep)
    if present_BC is None:
        return smoothed_BC
    return smoothed_BC.masked_fill(weak_BC > present_BC, 0.0)


def weak_targets(
    weak_BC: Tensor,
    audio_smoothing: float,
    visual_smoothing: float,
    modality_BMC: Tensor | None = None,
) -> Targets:
    """What individual guided learning compares with: the weak label, smoothed for each stream.

    Args:
        weak_BC: 1 where the class occurs in the video.
        audio_smoothing: how much of the label the audio stream keeps.
        visual_smoothing: how much of the label the visual stream keeps.
        modality_BMC: labels of each modality, a part of the video's.
    """
    heard_BC, seen_BC = (None, None) if modality_BMC is None else modality_BMC.unbind(1)
    audio_BC = stream_target(weak_BC, audio_smoothing, heard_BC)
    visual_BC = stream_target(weak_BC, visual_smoothing, seen_BC)
    return Targets(weak_BC, torch.stack((audio_BC, visual_BC), dim=1))


def stream_term(modality: int) -> Term:
    """Mean binary cross-entropy of what one modality (0 audio, 1 visual) has in the whole video."""

    def term(targets: Targets, step: Step) -> Tensor:
        found_BMC, target_BMC = step.output.stream_BMC, targets.stream_BMC
        return binary_cross_entropy(found_BMC[:, modality], target_BMC[:, modality])

    return term


def segment_term(modality: int) -> Term:
    """The `segment_loss` of one modality (0 audio, 1 visual)."""

    def term(targets: Targets, step: Step) -> Tensor:
        target_BTMC, weight_BTMC = targets.segments
        return segment_loss(
            step.output.prob_BTMC[:, :, modality],
            target_BTMC[:, :, modality],
            weight_BTMC[:, :, modality],
            step.batch.mask_BT,
        )

    return term


def video_term(targets: Targets, step: Step) -> Tensor:
    """Mean binary cross-entropy of what occurs in the whole video."""
    return binary_cross_entropy(step.output.video_BC, targets.video_BC)


def contrastive_loss(
    encoded_audio_BTD: Tensor,
    projected_visual_BTD: Tensor,
    mask_BT: Tensor,
    temperature: float = 0.2,
    smoothing: float = 0.1,
    weight_B: Tensor | None = None,
) -> Tensor:
    """Tell, for each segment of the audio, which segment of the same video's pictures is its own.

    Cross-entropy over the cosines of one video's segments, in one direction, with smoothed targets:
    `1 - smoothing` for the segment itself, the rest shared by the others. Defaults and pair are
    those of the released code of MA (Wu & Yang, CVPR 2021, step 1), whose ten segments are any
    number here. Computed in float32 or better, also under autocast.

    Args:
        encoded_audio_BTD: audio after the encoder.
        projected_visual_BTD: visual features before the encoder.
        mask_BT: True where a segment exists; False besides in all of a video that lacks a modality.
        temperature: what the cosines are divided by.
        smoothing: share of the target that goes to the other segments of the video.
        weight_B: what each video counts; None: 1.

    Returns:
        The mean over all existing segments, a scalar; 0 if there is none.

    Example:
        >>> segments = torch.eye(10)[None]
        >>> every = torch.ones(1, 10, dtype=torch.bool)
        >>> round(contrastive_loss(segments, segments, every, smoothing=0.0).item(), 4)
        0.0589
    """
    with torch.autocast(mask_BT.device.type, enabled=False):
        audio_BTD, visual_BSD = (
            F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1)
            for x in (encoded_audio_BTD, projected_visual_BTD)
        )
        absent_B1S = ~mask_BT[:, None, :]
        logit_BTS = (audio_BTD @ visual_BSD.mT / temperature).masked_fill(absent_B1S, MASKED)
        log_prob_BTS = logit_BTS.log_softmax(-1)
        own_BT = log_prob_BTS.diagonal(dim1=1, dim2=2)
        others_BT = log_prob_BTS.masked_fill(absent_B1S, 0.0).sum(-1) - own_BT
        num_others_B1 = (mask_BT.sum(1, keepdim=True) - 1).clamp(min=1)
        loss_BT = (smoothing - 1) * own_BT - smoothing * others_BT / num_others_B1
        if weight_B is not None:
            loss_BT = loss_BT * weight_B[:, None]
        return loss_BT.masked_fill(~mask_BT, 0.0).sum() / mask_BT.sum().clamp(min=1)


def segment_loss(
    prob_BTC: Tensor, target_BTC: Tensor, weight_BTC: Tensor, mask_BT: Tensor
) -> Tensor:
    """Weighted binary cross-entropy of the segments that exist, over their number times C.

    It is not divided by the weights, so that those of a class balance keep their size (VALOR,
    NeurIPS 2023, where all weights are 1; UWAV, CVPR 2025).

    Args:
        prob_BTC: of one modality.
        target_BTC: within 0..1.
        weight_BTC: 0 where nothing is known.
        mask_BT: True where a segment exists.

    Returns:
        A scalar.

    Example:
        >>> half, every = torch.full((1, 2, 1), 0.5), torch.ones(1, 2, dtype=torch.bool)
        >>> round(segment_loss(half, half, torch.ones(1, 2, 1), every).item(), 4)
        0.6931
    """
    clamped_BTC = prob_BTC.clamp(EPSILON, 1 - EPSILON).nan_to_num(0.5)
    loss_BTC = F.binary_cross_entropy(clamped_BTC, target_BTC, weight_BTC, reduction="none")
    return loss_BTC.masked_fill(~mask_BT[..., None], 0.0).sum() / (
        mask_BT.sum() * prob_BTC.shape[-1]
    )


def sparsity_loss(attention_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The sum of a video's attention, which STPN keeps small.

    Args:
        attention_BT: within 0..1.
        mask_BT: True where a segment exists.

    Returns:
        The mean over videos, a scalar.
    """
    return (attention_BT * mask_BT).sum(1).mean()


def diversity_loss(score_BTKC: Tensor, mask_BT: Tensor) -> Tensor:
    """How much branches agree on when a class happens (CMCS).

    For each class, the mean over pairs of branches of the cosine between their probabilities over
    time; the probabilities of a branch are a softmax over classes, as released.

    Args:
        score_BTKC: of K branches, 2 or more.
        mask_BT: True where a segment exists.

    Returns:
        The mean over videos and classes, a scalar.
    """
    num_branches = score_BTKC.shape[2]
    prob_BTKC = score_BTKC.softmax(-1) * mask_BT[:, :, None, None]
    prob_BCKT = prob_BTKC.permute(0, 3, 2, 1)
    norm_BCK: Tensor = torch.linalg.vector_norm(prob_BCKT, dim=-1)
    norms_BCKK = norm_BCK[..., None] * norm_BCK[..., None, :]
    cosine_BCKK = prob_BCKT @ prob_BCKT.mT / (norms_BCKK + COSINE_EPSILON)
    others_BCKK = (cosine_BCKK - torch.eye(num_branches, device=cosine_BCKK.device)).relu()
    return others_BCKK.sum((-1, -2)).mean() / (num_branches * (num_branches - 1))


def norm_loss(score_BTKC: Tensor, mask_BT: Tensor) -> Tensor:
    """How much branches differ in the size of their scores (CMCS), so that none takes over.

    Args:
        score_BTKC: of K branches.
        mask_BT: True where a segment exists.

    Returns:
        The mean distance of a branch's mean absolute score over time from the mean of all branches,
        over videos, branches and classes, a scalar.
    """
    size_BTKC = score_BTKC.abs() * mask_BT[:, :, None, None]
    size_BKC = size_BTKC.sum(1) / mask_BT.sum(1)[:, None, None]
    return (size_BKC - size_BKC.mean(1, keepdim=True)).abs().mean()


@dataclass(kw_only=True, slots=True)
class GuidedObjective(ComposedObjective):
    """Individual guided learning: each stream and the whole video predict the weak label.

    The three terms weigh the same (HAN, ECCV 2020; the released MM-Pyramid code). MA adds a
    contrastive term.

    Example:
        >>> GuidedObjective(contrast=1.0).problem
        'parsing'
    """

    reads_modalities: ClassVar[bool] = True

    audio_smoothing: float = 1.0
    """How much of the weak label the audio stream's target keeps; 1 is no smoothing."""
    visual_smoothing: float = 0.9
    """How much of the weak label the visual stream's target keeps."""
    contrast: float = 0.0
    """Weight of the contrastive loss of MA (released: 1)."""
    temperature: float = 0.2
    """Temperature of the contrastive loss."""

    def __post_init__(self) -> None:
        ComposedObjective.__post_init__(self)
        for name in ("audio_smoothing", "visual_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                flag = name.replace("_", "-")
                raise UserError(f"--objective.{flag} should be in 0..1, got {getattr(self, name)}")
        if not (0 <= self.contrast < math.inf and 0 < self.temperature < math.inf):
            raise UserError(
                "--objective.contrast should be 0 or more and --objective.temperature above 0, "
                f"got {self.contrast} and {self.temperature}"
            )

    def sources(self) -> Sequence[Source]:
        """The smoothed weak label, by modality where that is known."""

        def smoothed(targets: Targets, step: Step) -> Targets:
            smoothing = (self.audio_smoothing, self.visual_smoothing)
            return weak_targets(targets.video_BC, *smoothing, step.batch.modality_BMC)

        return (smoothed,)

    def terms(self) -> Sequence[tuple[float, Term]]:
        """Both streams and the video, plus the contrast of the two modalities."""
        return (
            (1.0, stream_term(0)),
            (1.0, stream_term(1)),
            (1.0, video_term),
            (self.contrast, self._contrast),
        )

    def _contrast(self, targets: Targets, step: Step) -> Tensor:
        del targets
        encoded, batch = step.output.encoded, step.batch
        assert encoded is not None
        assert encoded.projected_BTMD is not None
        heard_BTD, seen_BTD = encoded.fused_BTMD[:, :, 0], encoded.projected_BTMD[:, :, 1]
        if heard_BTD.shape != seen_BTD.shape:
            raise UserError(
                "--objective.contrast compares features before and after the encoder, which have "
                f"{seen_BTD.shape[-1]} and {heard_BTD.shape[-1]} columns in this network; set it "
                "to 0"
            )
        both_BT = batch.mask_BT & batch.present_BM.all(1, keepdim=True)
        return contrastive_loss(heard_BTD, seen_BTD, both_BT, self.temperature)


@dataclass(kw_only=True, slots=True)
class VideoObjective(Objective):
    """Which classes occur in the video, from its weak label alone (Kong, TALNet)."""

    problem: ClassVar[str] = "parsing"

    def __call__(self, output: Pooled, batch: Batch) -> Tensor:
        """The binary cross-entropy of the video's probabilities."""
        assert batch.weak_BC is not None
        return binary_cross_entropy(output.video_BC, batch.weak_BC)


@dataclass(kw_only=True, slots=True)
class SparseObjective(VideoObjective):
    """The video's classes, from few of its segments (STPN)."""

    sparsity_weight: float = 1e-4
    """Weight of the sum of a video's attention."""

    def __call__(self, output: Pooled, batch: Batch) -> Tensor:
        """The binary cross-entropy, and the sparsity of STPN's attention."""
        loss = VideoObjective.__call__(self, output, batch)
        assert output.encoded is not None
        _, attention_BT = split_attention(output.encoded.fused_BTMD[:, :, VISUAL])
        return loss + self.sparsity_weight * sparsity_loss(attention_BT, batch.mask_BT)


@dataclass(kw_only=True, slots=True)
class CompletenessObjective(VideoObjective):
    """The video's classes, by branches that find different parts of an event (CMCS)."""

    diversity_weight: float = 0.2
    """Weight of both losses that compare the branches."""

    def __call__(self, output: Pooled, batch: Batch) -> Tensor:
        """The binary cross-entropy, and the two losses on CMCS's branches."""
        loss = VideoObjective.__call__(self, output, batch)
        assert output.encoded is not None
        num_classes = output.video_BC.shape[-1]
        score_BTKC = split_branches(output.encoded.fused_BTMD[:, :, VISUAL], num_classes)
        diversity = diversity_loss(score_BTKC, batch.mask_BT)
        return loss + self.diversity_weight * (diversity + norm_loss(score_BTKC, batch.mask_BT))

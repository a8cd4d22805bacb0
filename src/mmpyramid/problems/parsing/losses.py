"""Losses of weakly supervised parsing: pure functions of probabilities.

Shape letters: B batch, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from mmpyramid.models.network import Pooled

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1, as in the released code."""


def smooth(label_BC: Tensor, keep: float) -> Tensor:
    """Pull labels towards 0.5, `keep * y + (1 - keep) / 2`: the released code's label smoothing.

    Example:
        >>> import torch
        >>> smooth(torch.tensor([0.0, 1.0]), 0.9)
        tensor([0.0500, 0.9500])
    """
    return keep * label_BC + (1 - keep) * 0.5


def binary_cross_entropy(prob_BC: Tensor, label_BC: Tensor) -> Tensor:
    """Mean binary cross-entropy of clamped probabilities."""
    return F.binary_cross_entropy(prob_BC.clamp(EPSILON, 1 - EPSILON), label_BC)


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


def guided_loss(
    pooled: Pooled,
    weak_BC: Tensor,
    audio_smoothing: float = 1.0,
    visual_smoothing: float = 0.9,
    *,
    modality_BMC: Tensor | None = None,
) -> Tensor:
    """Individual guided loss: each stream and the whole video predict the weak label.

    The three terms weigh the same (HAN, ECCV 2020; the released MM-Pyramid code).

    Args:
        pooled: the network's output.
        weak_BC: 1 where the class occurs in the video.
        audio_smoothing: how much of the label the audio stream keeps.
        visual_smoothing: how much of the label the visual stream keeps.
        modality_BMC: labels of each modality, a part of the video's, as MA refines them.

    Returns:
        A scalar.
    """
    heard_BC, seen_BC = (None, None) if modality_BMC is None else modality_BMC.unbind(1)
    audio_target_BC = stream_target(weak_BC, audio_smoothing, heard_BC)
    visual_target_BC = stream_target(weak_BC, visual_smoothing, seen_BC)
    audio = binary_cross_entropy(pooled.stream_BMC[:, 0], audio_target_BC)
    visual = binary_cross_entropy(pooled.stream_BMC[:, 1], visual_target_BC)
    return audio + visual + binary_cross_entropy(pooled.video_BC, weak_BC)

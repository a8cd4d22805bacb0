"""The contrastive loss of MA: what is heard in a segment belongs to what is seen in it.

Shape letters: B batch, T audio segments, S visual segments, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.models.attention import MASKED


def contrastive_loss(
    encoded_audio_BTD: Tensor,
    projected_visual_BTD: Tensor,
    mask_BT: Tensor,
    temperature: float = 0.2,
    smoothing: float = 0.1,
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
        return loss_BT.masked_fill(~mask_BT, 0.0).sum() / mask_BT.sum().clamp(min=1)

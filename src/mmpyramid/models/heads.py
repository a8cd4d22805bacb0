"""Attentive multimodal multiple-instance pooling: from segment features to weak video-level labels.

Shape letters: B batch, T segments, M modalities (audio, visual), D width, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmpyramid.models.attention import MASKED
from mmpyramid.models.outputs import Pooled


class AttentiveMMIL(nn.Module):
    """Attentive MMIL pooling (HAN, ECCV 2020), the head of the released network.

    A stream's probability is the mean of its segments' probabilities, weighted per class over time.
    The video's weighs the two modalities besides, in every segment anew; as these products need not
    sum to 1, it is kept from exceeding 1, which the released code leaves to its loss and gate.
    Autocast stops here, for the losses take logarithms.

    Args:
        width: D.
        num_classes: C.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.probability = nn.Linear(width, num_classes)
        self.time_attention = nn.Linear(width, num_classes)
        self.modality_attention = nn.Linear(width, num_classes)

    def forward(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Pool.

        Args:
            x_BTMD: features of both modalities.
            mask_BT: True where a segment exists.
            present_BM: True where the video has the modality; what is absent has probability 0 and
                no weight.
        """
        with torch.autocast(x_BTMD.device.type, enabled=False):
            return self._pool(x_BTMD.to(self.probability.weight.dtype), mask_BT, present_BM)

    def _pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        present = present_BM[:, None, :, None]
        exists = mask_BT[:, :, None, None]
        prob = torch.sigmoid(self.probability(x_BTMD)) * present
        over_time = self.time_attention(x_BTMD).masked_fill(~exists, MASKED).softmax(1)
        over_modality = self.modality_attention(x_BTMD).masked_fill(~present, MASKED).softmax(2)
        weighted = prob * over_time
        stream, video = weighted.sum(1), (weighted * over_modality).sum((1, 2))
        return Pooled(prob, stream.clamp(max=1), video.clamp(max=1))

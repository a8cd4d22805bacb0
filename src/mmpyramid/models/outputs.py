"""What networks give, batch by batch.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes, L pyramid
units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Encoded(NamedTuple):
    """Both modalities after the encoder, and what led there.

    Attributes:
        fused_BTMD: features that the head reads.
        projected_BTMD: the same segments before the encoder, projected to its width, where they are
            kept.
        unit_weights_BTML: weight of each pyramid unit in the fused features, where there are units.
    """

    fused_BTMD: Tensor
    projected_BTMD: Tensor | None
    unit_weights_BTML: Tensor | None = None


class Pooled(NamedTuple):
    """What a parsing network gives.

    Attributes:
        prob_BTMC: probability of each class in each segment and modality.
        stream_BMC: video-level probability in each modality.
        video_BC: video-level probability.
        encoded: the features behind it, for objectives that compare them.
    """

    prob_BTMC: Tensor
    stream_BMC: Tensor
    video_BC: Tensor
    encoded: Encoded | None = None


class Localized(NamedTuple):
    """What a localization network gives.

    Attributes:
        score_BTC: score of each class in each segment, the background last (C + 1 columns).
        relevance_BT: logit of "an event happens here", of networks that decompose the task.
        category_BC: logits of the video's category, with or without a column for the background,
            of networks that decompose the task.
        similarity_BT: cosine of the two modalities, of networks whose objective reads it.
        unit_weights_BTML: weight of each pyramid unit, where there are units.
    """

    score_BTC: Tensor
    relevance_BT: Tensor | None = None
    category_BC: Tensor | None = None
    similarity_BT: Tensor | None = None
    unit_weights_BTML: Tensor | None = None


def to_full_precision(output: Any) -> Any:
    """The output of a network in float32 where autocast left fewer bits; float64 is kept.

    Example:
        >>> half = torch.tensor([[[0.5]]], dtype=torch.bfloat16)
        >>> to_full_precision(Localized(half)).score_BTC.dtype
        torch.float32
    """

    def widen(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(torch.promote_types(value.dtype, torch.float32))
        return value if value is None else to_full_precision(value)

    return output._replace(**{name: widen(value) for name, value in output._asdict().items()})

"""A single-shot detector of dense events behind MM-Pyramid's encoder.

In untrimmed videos several events happen at once, each heard and seen. Every segment says for each
class whether an event of it is going on, and how long before and after the middle of the segment it
lasts, so that an event has exact times, and events of different classes overlap freely (Geng et
al., "Dense-Localizing Audio-Visual Events in Untrimmed Videos", CVPR 2023). There each level of a
feature pyramid detects events of its own lengths; here the pyramid is the neck: its units see
neighbourhoods of growing size and become one feature for each segment, which one head reads.

Shape letters: B batch, T segments, D width, C classes, M modalities (audio, visual), L pyramid
units.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from mmpyramid.core import DetectionScores
from mmpyramid.core.batch import Batch
from mmpyramid.models.mm_pyramid import PyramidConfig, PyramidEncoder
from mmpyramid.models.network import Encoded, Network, NetworkConfig, StreamProjection
from mmpyramid.models.parsing import encode_in_pieces
from mmpyramid.models.registry import register

RARE = 0.01
"""Probability that a fresh network gives to every class: nearly all segments have none of it."""
LONGEST = math.log(3600)
"""Logarithm of the seconds that an event can last before or after a segment."""


@dataclass(kw_only=True, slots=True)
class DetectorConfig(NetworkConfig):
    """The detector; streams are those of UnAV-100.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "mm-pyramid-detector"

    labels: tuple[str, ...] = tuple(f"class {number}" for number in range(1, 101))
    """Class names in the order of the outputs; a run takes those of its data."""
    visual_streams: dict[str, int] = field(
        default_factory=lambda: {"i3d_rgb": 1024, "i3d_flow": 1024}
    )
    """Width of each visual stream by name."""
    width: int = 256
    """D, the width of every layer."""
    neck: bool = True
    """Whether the pyramid is there; without it the head reads projected features."""
    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    """The pyramid: sizes of the units and the parts that they are made of."""

    def __post_init__(self) -> None:
        NetworkConfig.__post_init__(self)
        self.pyramid = PyramidConfig.parse(self.pyramid)
        self.pyramid.check_width(self.width)


class Detected(NamedTuple):
    """What a detector gives.

    Attributes:
        logit_BTC: of an event of each class in each segment.
        extent_BTCX: seconds that it lasts before and after the middle of the segment (X = 2).
        unit_weights_BTML: weight of each pyramid unit, with a neck.
    """

    logit_BTC: Tensor
    extent_BTCX: Tensor
    unit_weights_BTML: Tensor | None = None


class Tower(nn.Module):
    """Two convolutions over three segments each.

    Args:
        width: of the input.
        hidden_width: between both.
        num_outputs: of each segment.
    """

    def __init__(self, width: int, hidden_width: int, num_outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Conv1d(width, hidden_width, 3, padding=1)
        self.output = nn.Conv1d(hidden_width, num_outputs, 3, padding=1)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, outputs); padded segments count as the zeros beyond the end of a video.

        Autocast stops before the last convolution: of the logarithm of a time, bf16 would keep a
        quarter of a second at 40 s.
        """
        exists_BOT = mask_BT[:, None]
        hidden_BDT = self.hidden(x_BTD.mT * exists_BOT).relu() * exists_BOT
        with torch.autocast(x_BTD.device.type, enabled=False):
            out: Tensor = self.output(hidden_BDT.to(self.output.weight.dtype)).mT
        return out


@register
class PyramidDetector(Network[Detected, DetectionScores]):
    """MM-Pyramid's encoder, and two towers that read both modalities.

    Args:
        config: the architecture; left out, that for UnAV-100.

    Example:
        >>> streams = {"audio_streams": {"a": 4}, "visual_streams": {"v": 6}}
        >>> network = PyramidDetector(DetectorConfig(labels=("Dog", "Cat"), width=16, **streams))
        >>> output = network({"a": torch.zeros(2, 7, 4), "v": torch.zeros(2, 7, 6)})
        >>> tuple(output.logit_BTC.shape), tuple(output.extent_BTCX.shape)
        ((2, 7, 2), (2, 7, 2, 2))
    """

    problem = "detection"
    config_class = DetectorConfig
    config: DetectorConfig

    def __init__(self, config: DetectorConfig | None = None) -> None:
        super().__init__(config := config or DetectorConfig())
        self.audio_projection = StreamProjection(config.audio_streams, config.width)
        self.visual_projection = StreamProjection(config.visual_streams, config.width)
        self.encoder = PyramidEncoder(config.width, config.pyramid) if config.neck else None
        num_classes = len(config.labels)
        self.happens = Tower(2 * config.width, config.width, num_classes)
        self.extent = Tower(2 * config.width, config.width, 2 * num_classes)
        assert self.happens.output.bias is not None
        nn.init.constant_(self.happens.output.bias, math.log(RARE / (1 - RARE)))

    @property
    def encoder_reach(self) -> int:
        """How many segments before and after one can change its feature."""
        pyramid = self.config.pyramid
        if self.encoder is None:
            return 0
        return (3 if pyramid.causal else 2) * sum(pyramid.windows)

    @property
    def reach(self) -> int | None:
        """How many segments before and after one can change its scores; None: all of them."""
        if self.encoder is not None and self.config.pyramid.positions:
            return None
        return self.encoder_reach + 2

    def in_bfloat16(self) -> Self:
        """Convert the weights to bfloat16, in place, but for those that give times."""
        times = copy.deepcopy(self.extent.output)
        super().in_bfloat16()
        self.extent.output = times
        return self

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Project, and build the pyramid."""
        audio_BTD = self.audio_projection(streams) * present_BM[:, 0, None, None]
        visual_BTD = self.visual_projection(streams) * present_BM[:, 1, None, None]
        if self.encoder is None:
            return Encoded(torch.stack((audio_BTD, visual_BTD), dim=2).relu(), None)
        encoded: Encoded = self.encoder(audio_BTD, visual_BTD, mask_BT)
        return encoded

    def score(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Detected:
        """Detect events."""
        return self._detect(self.encode(streams, mask_BT, present_BM), mask_BT)

    def tensors(self, output: Detected, mask_BT: Tensor) -> dict[str, Tensor]:
        """Probabilities, and extents in seconds."""
        del mask_BT
        return {"happens": output.logit_BTC.sigmoid(), "extent": output.extent_BTCX}

    def results(self, batch: Batch) -> list[DetectionScores]:
        """Score videos of any length."""
        inputs = (self.as_weights(batch.streams), batch.mask_BT, batch.present_BM)
        if self.reach is None:
            encoded = self.encode(*inputs)
        else:
            encoded = encode_in_pieces(self.encode, *inputs, self.encoder_reach)
        output = self._detect(encoded, batch.mask_BT)
        weights = output.unit_weights_BTML
        happens_BTC, extent_BTCX, weights_BTML = (
            None if values is None else values.float().cpu().numpy()
            for values in (output.logit_BTC.sigmoid(), output.extent_BTCX, weights)
        )
        assert happens_BTC is not None
        assert extent_BTCX is not None
        return [
            DetectionScores(
                happens=happens_BTC[row, :length],
                extent=extent_BTCX[row, :length],
                labels=self.labels,
                unit_weights=None if weights_BTML is None else weights_BTML[row, :length],
            )
            for row, length in enumerate(batch.mask_BT.sum(1).tolist())
        ]

    def _detect(self, encoded: Encoded, mask_BT: Tensor) -> Detected:
        both_BTD = encoded.fused_BTMD.flatten(2)
        logit_BTC = self.happens(both_BTD, mask_BT)
        extent_BTCX = self.extent(both_BTD, mask_BT).unflatten(-1, (-1, 2))
        return Detected(logit_BTC, extent_BTCX.clamp(max=LONGEST).exp(), encoded.unit_weights_BTML)

"""TALNet (Wang, Li, Metze, ICASSP 2019), which hears only.

A reconstruction. The released network (github.com/MaigoAkisame/cmu-thesis) starts with ten
convolutions over log-mel spectra; on LLP there are VGGish features in their place, so that its
recurrent layer reads those, and its pooling and initialization are followed. The numbers of Table 2
come from the authors of HAN, who released no code for them.

Shape letters: B batch, T segments, D width, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.parts import AUDIO, OneSidedHead, OneSidedNetwork, run
from mmpyramid.models.parsing import ParsingConfig
from mmpyramid.models.registry import register

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1, as released."""


@dataclass(kw_only=True, slots=True)
class TALNetConfig(ParsingConfig):
    """The network.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "talnet"

    visual_streams: dict[str, int] = field(default_factory=lambda: {"r2plus1d_18": 512})
    """One has to be named, and is not read."""
    width: int = 1024
    """D, what both directions of the recurrent layer give together."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        if self.width % 2:
            raise UserError(f"both directions share the width; it should be even, got {self.width}")


class LinearSoftmaxPooling(OneSidedHead):
    """Classify every segment; a video's probability is the mean of them, weighted by themselves."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__(AUDIO)
        self.classifier = nn.Linear(width, num_classes)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def pool_side(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """`sum p^2 / sum p` over time."""
        prob_BTC = torch.sigmoid(self.classifier(x_BTD)).clamp(EPSILON, 1 - EPSILON)
        existing_BTC = prob_BTC * mask_BT[..., None]
        return prob_BTC, existing_BTC.square().sum(1) / existing_BTC.sum(1)


@register
class TALNet(OneSidedNetwork):
    """A bidirectional GRU over the audio under linear softmax pooling (reconstruction).

    Args:
        config: the architecture.

    Example:
        >>> config = TALNetConfig(audio_streams={"a": 4}, visual_streams={"v": 6}, width=16)
        >>> pooled = TALNet(config)({"a": torch.ones(2, 7, 4), "v": torch.ones(2, 7, 6)})
        >>> pooled.prob_BTMC.amax((0, 1, 3)).gt(0).tolist()
        [True, False]
    """

    side = AUDIO
    notes = ("the network hears only: nothing is ever seen",)
    config_class = TALNetConfig
    config: TALNetConfig

    def __init__(self, config: TALNetConfig | None = None) -> None:
        super().__init__(config := config or TALNetConfig())
        self.gru = nn.GRU(self.input_width, config.width // 2, batch_first=True, bidirectional=True)
        for name, parameter in self.gru.named_parameters():
            if name.startswith("weight"):
                nn.init.orthogonal_(parameter)
            elif name.startswith("bias_ih"):
                nn.init.zeros_(parameter)

    def make_head(self) -> LinearSoftmaxPooling:
        """Linear softmax pooling."""
        return LinearSoftmaxPooling(self.config.width, len(self.config.labels))

    def encode_side(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Read the audio in both directions."""
        out_BTD, _ = run(self.gru, x_BTD, mask_BT)
        return out_BTD

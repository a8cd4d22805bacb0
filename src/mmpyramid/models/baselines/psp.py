"""PSP, positive sample propagation (Zhou et al., CVPR 2021).

Follows the released code (github.com/jasongief/PSP_CVPR_2021), which has two different networks,
one for each kind of supervision. Layers that are created there and never called are left out.

What PSP calls weak supervision tells which share of a video its event fills; here this is called
`proportion`. In the released training the target of the similarity loss lives in a buffer of which
only the event's segments are written, so that background segments keep the value of whatever clip
was there before; our objective uses the intended target, 0 in the background.

Shape letters: B batch, T visual segments, S audio segments, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.parts import GuidedConfig, GuidedNetwork, bidirectional_lstm, run
from mmpyramid.models.network import Localized
from mmpyramid.models.registry import register

EPSILON = 1e-8
"""Added to sums before they divide, as released."""


@dataclass(kw_only=True, slots=True)
class PSPConfig(GuidedConfig):
    """The network; the defaults are what its authors released for full supervision.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "psp"

    width: int = 256
    """D of the propagation; each stream enters its LSTM with half of it."""
    head_width: int = 64
    """Hidden width of the classifier."""
    design: Literal["full", "weak"] = "full"
    """Which released network: `full` projects both streams in two linear layers, normalizes the
    kept connections again and projects what was propagated; `weak` does none of these, and weighs
    segments by their scores."""
    threshold: float = 0.099
    """Connections up to this strength are cut (released: 0.099 fully, 0.095 weakly supervised)."""
    dropout: float = 0.1
    """Dropout of the propagation."""

    def __post_init__(self) -> None:
        GuidedConfig.__post_init__(self)
        if not 0 <= self.threshold < 1:
            raise UserError(f"threshold should be in 0..1 and below 1, got {self.threshold}")


class Propagation(nn.Module):
    """Give each segment of a modality what the other's well connected segments add to it.

    Args:
        width: D.
        dropout: after every projection.
        threshold: connections up to this strength are cut.
        full: normalize the kept connections again, and project what was propagated.
    """

    def __init__(self, width: int, dropout: float, threshold: float, *, full: bool) -> None:
        super().__init__()
        self.threshold, self.full = threshold, full

        def branch() -> nn.Sequential:
            linear = nn.Linear(width, width, bias=False)
            nn.init.xavier_uniform_(linear.weight)
            return nn.Sequential(linear, nn.ReLU(), nn.Dropout(dropout))

        self.audio_key, self.audio_value = branch(), branch()
        self.visual_key, self.visual_value = branch(), branch()
        if full:
            self.audio_output, self.visual_output = branch(), branch()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self, audio_BSD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give audio and visual features after propagation, (B, T, D) each."""
        visual_key_BTD, audio_key_BSD = self.visual_key(visual_BTD), self.audio_key(audio_BSD)
        product_BTS = visual_key_BTD @ audio_key_BSD.mT / visual_key_BTD.shape[-1] ** 0.5
        # Shares lie so close to the threshold that bf16 would not tell them apart.
        product_BTS = product_BTS.to(torch.promote_types(product_BTS.dtype, torch.float32))
        both_BTS = mask_BT[:, :, None] & mask_BT[:, None, :]
        strength_BTS = product_BTS.relu() * both_BTS
        audio_value_BSD = self.audio_value(audio_BSD)
        visual_value_BTD = self.visual_value(visual_BTD)
        to_visual_BTS, to_audio_BST = self.kept(strength_BTS), self.kept(strength_BTS.mT)
        visual_out = visual_BTD + to_visual_BTS.to(audio_value_BSD.dtype) @ audio_value_BSD
        audio_out = audio_BSD + to_audio_BST.to(visual_value_BTD.dtype) @ visual_value_BTD
        if self.full:
            visual_out, audio_out = self.visual_output(visual_out), self.audio_output(audio_out)
        return self.norm(audio_out), self.norm(visual_out)

    def kept(self, strength_BTS: Tensor) -> Tensor:
        """The share of each connection of a row; 0 where it does not exceed the threshold."""
        share_BTS = strength_BTS / (strength_BTS.sum(-1, keepdim=True) + EPSILON)
        kept_BTS = share_BTS * (share_BTS > self.threshold)
        return kept_BTS / (kept_BTS.sum(-1, keepdim=True) + EPSILON) if self.full else kept_BTS


@register
class PSP(GuidedNetwork):
    """Positive sample propagation; every segment is one of C events or background.

    Args:
        config: the architecture; left out, the released network for full supervision.

    Example:
        >>> network = PSP(PSPConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> output = network(streams)
        >>> tuple(output.score_BTC.shape), tuple(output.similarity_BT.shape)
        ((2, 10, 29), (2, 10))
    """

    config_class = PSPConfig
    config: PSPConfig

    def __init__(self, config: PSPConfig | None = None) -> None:
        config = config or PSPConfig()
        ((_, audio_width),) = config.audio_streams.items()
        full, half = config.design == "full", config.width // 2
        recurrent_width = half if full else audio_width
        super().__init__(config, guide_width=recurrent_width)
        self.audio_projection = two_linear(audio_width, config.width) if full else nn.Identity()
        self.visual_projection = (
            two_linear(self.visual_width, config.width)
            if full
            else nn.Linear(self.visual_width, half)
        )
        self.audio_lstm = bidirectional_lstm(recurrent_width, config.width)
        self.visual_lstm = bidirectional_lstm(half, config.width)
        self.propagation = Propagation(config.width, config.dropout, config.threshold, full=full)
        num_scores = len(config.labels) + 1
        self.hidden = nn.Linear(config.width, config.head_width, bias=False)
        self.classifier = nn.Linear(config.head_width, num_scores, bias=False)
        for layer in (self.hidden, self.classifier):
            nn.init.xavier_uniform_(layer.weight)
        self.weight = None if full else nn.Linear(num_scores, 1, bias=False)

    def front(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What both LSTMs read: projected audio, and attended, projected vision."""
        del mask_BT
        audio_BTD, visual = self.read(streams, present_BM)
        audio_BTD = self.audio_projection(audio_BTD)
        return audio_BTD, self.visual_projection(self.attend(audio_BTD, visual, present_BM))

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Attend to the map, read both streams, propagate, classify every segment."""
        audio_BTD, visual_BTD = self.front(streams, mask_BT, present_BM)
        audio_BTD, _ = run(self.audio_lstm, audio_BTD, mask_BT)
        visual_BTD, _ = run(self.visual_lstm, visual_BTD, mask_BT)
        audio_BTD, visual_BTD = self.propagation(audio_BTD, visual_BTD, mask_BT)
        hidden_BTD = self.hidden((visual_BTD + audio_BTD) / 2).relu()
        score_BTC = self.classifier(hidden_BTD)
        if self.weight is not None:
            score_BTC = score_BTC * torch.sigmoid(self.weight(score_BTC).relu())
        similarity_BT = F.cosine_similarity(visual_BTD, audio_BTD, dim=-1)
        return Localized(score_BTC, similarity_BT=similarity_BT)


def two_linear(input_width: int, width: int) -> nn.Sequential:
    """Two linear layers in a row with nothing between them, to the width and to half of it."""
    return nn.Sequential(
        nn.Linear(input_width, width, bias=False), nn.Linear(width, width // 2, bias=False)
    )

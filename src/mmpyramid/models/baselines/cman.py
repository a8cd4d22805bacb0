"""CMAN, the cross-modal attention network (Xuan et al., AAAI 2020): where, when, which.

A reconstruction: no code was released. Known are the three modules and their order, and of the
last one that it extends an LSTM by a sentinel, as the captioning model of Lu et al. ("Knowing when
to look", CVPR 2017) does, from which equations are taken that are not known of CMAN. Widths are
ours. The eigenvalue objective of its extension (TIP 2021) is not part of Table 1 and not built.

Shape letters: B batch, T segments, S segments of the other modality, P positions, D width, N
numbers that an attention compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import MASKED
from mmpyramid.models.baselines.parts import PairConfig, PairNetwork
from mmpyramid.models.network import Localized
from mmpyramid.models.registry import register


@dataclass(kw_only=True, slots=True)
class CMANConfig(PairConfig):
    """The network.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str] = "cman"

    width: int = 256
    """D of self-attention and LSTM (not known)."""
    attention_width: int = 128
    """Width in which what is heard is compared with positions (not known)."""
    temperature: float = 10.0
    """Factor of the cosines at the start. As described it is 1, which leaves the weights of
    positions nearly equal."""
    learn_temperature: bool = True
    """Whether the factor is learned; False and `temperature` 1 are the description's wording."""
    self_attention: Literal["pairwise", "scalar"] = "pairwise"
    """Whether each segment weighs all others, or all segments have one weight each (not known)."""
    residual: bool = True
    """Whether a segment's own projection is added to what it attends to (not known)."""
    co_attention_width: int = 128
    """Hidden width of the co-attention (not known)."""
    fusion: Literal["concatenated", "sum"] = "concatenated"
    """How both modalities reach the classifier (not known)."""
    head_width: int = 64
    """Hidden width of the classifier."""
    dropout: float = 0.2
    """Dropout of what the classifier reads."""

    def __post_init__(self) -> None:
        PairConfig.__post_init__(self)
        if not 0 < self.temperature < float("inf"):
            raise UserError(f"temperature should be above 0, got {self.temperature}")


class Where(nn.Module):
    """Weigh the positions of a map by their cosine with what is heard."""

    def __init__(self, audio_width: int, visual_width: int, config: CMANConfig) -> None:
        super().__init__()
        self.audio = nn.Linear(audio_width, config.attention_width)
        self.visual = nn.Linear(visual_width, config.attention_width)
        temperature = torch.tensor(config.temperature)
        self.temperature = nn.Parameter(temperature, requires_grad=config.learn_temperature)

    def forward(self, audio_BTD: Tensor, map_BTPD: Tensor) -> Tensor:
        """Give the attended visual feature of every segment, (B, T, D)."""
        heard_BTON = self.audio(audio_BTD)[:, :, None]
        cosine_BTP = F.cosine_similarity(heard_BTON, self.visual(map_BTPD), dim=-1)
        weight_BTP = (self.temperature * cosine_BTP).softmax(-1)
        return torch.einsum("btp,btpd->btd", weight_BTP, map_BTPD)


class When(nn.Module):
    """Self-attention over the segments of a modality, whose width it changes."""

    def __init__(self, input_width: int, config: CMANConfig) -> None:
        super().__init__()
        self.kind = config.self_attention
        self.query = nn.Linear(input_width, config.width)
        self.key = nn.Linear(input_width, config.width)
        self.value = nn.Linear(input_width, config.width)
        self.own = nn.Linear(input_width, config.width) if config.residual else None

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, D)."""
        score_BTS = self.query(x_BTD) @ self.key(x_BTD).mT / self.query.out_features**0.5
        weight_BTS = score_BTS.masked_fill(~mask_BT[:, None], MASKED).softmax(-1)
        if self.kind == "pairwise":
            out_BTD: Tensor = weight_BTS @ self.value(x_BTD)
        else:  # What all segments together give to each one; its mean is 1.
            out_BTD = (weight_BTS * mask_BT[..., None]).sum(1)[..., None] * self.value(x_BTD)
        return out_BTD if self.own is None else out_BTD + self.own(x_BTD)


class SentinelLSTM(nn.Module):
    """An LSTM whose every step also gives a sentinel: what the modality knows by itself.

    `g_t = sigmoid(W_x x_t + W_h h_(t-1))`, sentinel `g_t tanh(m_t)` with the memory cell `m_t`. It
    reads forwards only, for the sentinel needs the state before.

    Args:
        width: D of input, state and sentinel.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(width, width)
        self.input_gate = nn.Linear(width, width, bias=False)
        self.state_gate = nn.Linear(width, width, bias=False)

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """Give states and sentinels, (B, T, D) each.

        Autocast stops here, as in other recurrent layers.
        """
        with torch.autocast(x_BTD.device.type, enabled=False):
            x_BTD = x_BTD.to(self.input_gate.weight.dtype)
            state_BD = memory_BD = torch.zeros_like(x_BTD[:, 0])
            states, memories = [], []
            for x_BD in x_BTD.unbind(1):
                state_BD, memory_BD = self.cell(x_BD, (state_BD, memory_BD))
                states.append(state_BD)
                memories.append(memory_BD)
            state_BTD, memory_BTD = torch.stack(states, 1), torch.stack(memories, 1)
            before_BTD = F.pad(state_BTD[:, :-1], (0, 0, 1, 0))
            gate_BTD = torch.sigmoid(self.input_gate(x_BTD) + self.state_gate(before_BTD))
            return state_BTD, gate_BTD * torch.tanh(memory_BTD)


class AdaptiveCoAttention(nn.Module):
    """Attend to the other modality's segments, and to the own sentinel as one entry more.

    Args:
        width: D.
        hidden_width: N.
    """

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.other = nn.Linear(width, hidden_width, bias=False)
        self.state = nn.Linear(width, hidden_width, bias=False)
        self.sentinel = nn.Linear(width, hidden_width, bias=False)
        self.output = nn.Linear(hidden_width, 1, bias=False)
        for layer in (self.other, self.state, self.sentinel, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def weights(
        self, state_BTD: Tensor, sentinel_BTD: Tensor, other_BSD: Tensor, mask_BS: Tensor
    ) -> Tensor:
        """The weight of each segment of the other modality and, last, of the sentinel.

        Returns:
            (B, T, S + 1); each row sums to 1.
        """
        state_BTN = self.state(state_BTD)
        hidden_BTSN = torch.tanh(self.other(other_BSD)[:, None] + state_BTN[:, :, None])
        score_BTS = self.output(hidden_BTSN).squeeze(-1).masked_fill(~mask_BS[:, None], MASKED)
        own_BTO = self.output(torch.tanh(self.sentinel(sentinel_BTD) + state_BTN))
        return torch.cat((score_BTS, own_BTO), dim=-1).softmax(-1)

    def forward(
        self, state_BTD: Tensor, sentinel_BTD: Tensor, other_BSD: Tensor, mask_BS: Tensor
    ) -> Tensor:
        """Give the state and what it attends to, added, (B, T, D)."""
        weight_BTS = self.weights(state_BTD, sentinel_BTD, other_BSD, mask_BS)
        from_other_BTD = weight_BTS[..., :-1] @ other_BSD.to(weight_BTS.dtype)
        return state_BTD + from_other_BTD + weight_BTS[..., -1:] * sentinel_BTD


@register
class CMAN(PairNetwork):
    """Where, when and which: three attentions in a row (reconstruction).

    The number of positions is free; a visual stream without positions counts as one.

    Args:
        config: the architecture; left out, the reconstruction's defaults.

    Example:
        >>> network = CMAN(CMANConfig(width=16))
        >>> streams = {"vggish": torch.ones(2, 10, 128), "vgg19": torch.ones(2, 10, 7, 7, 512)}
        >>> tuple(network(streams).score_BTC.shape)
        (2, 10, 29)
    """

    config_class = CMANConfig
    config: CMANConfig
    notes = ("CMAN is a reconstruction: no code was released",)

    def __init__(self, config: CMANConfig | None = None) -> None:
        super().__init__(config := config or CMANConfig())
        width = config.width
        self.where = Where(self.audio_width, self.visual_width, config)
        self.audio_when = When(self.audio_width, config)
        self.visual_when = When(self.visual_width, config)
        self.audio_lstm, self.visual_lstm = SentinelLSTM(width), SentinelLSTM(width)
        self.audio_which = AdaptiveCoAttention(width, config.co_attention_width)
        self.visual_which = AdaptiveCoAttention(width, config.co_attention_width)
        is_sum = config.fusion == "sum"
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(width if is_sum else 2 * width, config.head_width),
            nn.ReLU(),
            nn.Linear(config.head_width, len(config.labels) + 1),
        )

    def score(
        self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor
    ) -> Localized:
        """Attend to positions, to segments, to the other modality; classify every segment."""
        audio_BTD, visual = self.read(streams, present_BM)
        map_BTPD = visual.flatten(2, -2) if visual.ndim > 3 else visual[:, :, None]
        visual_BTD = self.where(audio_BTD, map_BTPD) * present_BM[:, 1, None, None]
        audio_BTD = self.audio_when(audio_BTD, mask_BT)
        visual_BTD = self.visual_when(visual_BTD, mask_BT)
        audio_out = self.audio_which(*self.audio_lstm(audio_BTD), visual_BTD, mask_BT)
        visual_out = self.visual_which(*self.visual_lstm(visual_BTD), audio_BTD, mask_BT)
        if self.config.fusion == "sum":
            return Localized(self.classifier(audio_out + visual_out))
        return Localized(self.classifier(torch.cat((audio_out, visual_out), dim=-1)))

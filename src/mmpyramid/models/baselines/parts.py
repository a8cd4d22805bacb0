"""What several of the compared networks are made from: inputs, recurrence, pooling, fusion, heads.

Shape letters: B batch, T segments, P positions of a map, H and W its height and width, M modalities
(audio, visual), D width of one modality, J width of joint features, C classes, F factors and O
width of a bilinear fusion.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmpyramid.core.errors import UserError
from mmpyramid.models.attention import MASKED
from mmpyramid.models.localization import (
    AudioGuidedAttention,
    LocalizationConfig,
    LocalizationNetwork,
    check_grid,
    decomposed,
)
from mmpyramid.models.network import Encoded, Localized, Pooled
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork, PoolingHead


@dataclass(kw_only=True, slots=True)
class PairConfig(LocalizationConfig):
    """A network that reads one audio and one visual stream.

    Raises:
        UserError: if a value cannot make a network.
    """

    def __post_init__(self) -> None:
        LocalizationConfig.__post_init__(self)
        if len(self.audio_streams) > 1 or len(self.visual_streams) > 1:
            raise UserError(
                f"`{self.architecture}` takes one audio and one visual stream, got "
                f"{', '.join((*self.audio_streams, *self.visual_streams))}; leave the others out"
            )
        if self.width % 2:
            raise UserError(
                f"`{self.architecture}` halves its width in places; width should be even, got "
                f"{self.width}"
            )


class PairNetwork(LocalizationNetwork):
    """A localization network that reads one audio and one visual stream."""

    config: PairConfig

    def __init__(self, config: PairConfig) -> None:
        super().__init__(config)
        ((self.audio_name, self.audio_width),) = config.audio_streams.items()
        ((self.visual_name, self.visual_width),) = config.visual_streams.items()

    def read(self, streams: Mapping[str, Tensor], present_BM: Tensor) -> tuple[Tensor, Tensor]:
        """The audio (B, T, D), zero where there is none, and the visual stream as it came."""
        audio_BTD = streams[self.audio_name] * present_BM[:, 0, None, None]
        return audio_BTD, streams[self.visual_name]


@dataclass(kw_only=True, slots=True)
class GuidedConfig(PairConfig):
    """A network with audio-guided attention over a visual map.

    Raises:
        UserError: if a value cannot make a network.
    """

    attention_width: int = 512
    """Width of the projections that the attention compares."""
    map_size: tuple[int, int] | None = (7, 7)
    """Height and width of the visual map; None for features without positions."""

    def __post_init__(self) -> None:
        PairConfig.__post_init__(self)
        self.map_size = None if self.map_size is None else (self.map_size[0], self.map_size[1])


class GuidedNetwork(PairNetwork):
    """A localization network with audio-guided attention over a visual map.

    Args:
        config: the architecture.
        guide_width: width of the audio that guides the attention.
    """

    config: GuidedConfig

    def __init__(self, config: GuidedConfig, guide_width: int | None = None) -> None:
        super().__init__(config)
        self.visual_attention = None
        if config.map_size:
            self.visual_attention = self.make_attention(guide_width or self.audio_width)

    def make_attention(self, guide_width: int) -> nn.Module:
        """What turns what is heard and a map into one visual feature for each segment."""
        assert self.config.map_size is not None
        return AudioGuidedAttention(
            guide_width,
            self.visual_width,
            num_positions=self.config.map_size[0] * self.config.map_size[1],
            hidden_width=self.config.attention_width,
        )

    def attend(self, audio_BTD: Tensor, visual: Tensor, present_BM: Tensor) -> Tensor:
        """Give the attended visual feature of every segment (B, T, D), zero where there is none.

        Args:
            audio_BTD: what guides the attention.
            visual: (B, T, H, W, D), or (B, T, D) for a network without `map_size`.
            present_BM: True where a video has the modality.

        Raises:
            UserError: if the map has another size than the network's.
        """
        check_grid(self.config.architecture, self.visual_name, visual, self.config.map_size)
        if self.visual_attention is not None:
            visual = self.visual_attention(audio_BTD, visual)
        return visual * present_BM[:, 1, None, None]


@dataclass(kw_only=True, slots=True)
class BranchedConfig(ParsingConfig):
    """A network with three branches.

    Raises:
        UserError: if a value cannot make a network.
    """

    architecture: ClassVar[str]

    width: int = 256
    """D, what both directions of an LSTM give together."""
    input_width: int = 512
    """Width of the projected visual streams."""
    head_width: int = 64
    """Hidden width of each branch."""

    def __post_init__(self) -> None:
        ParsingConfig.__post_init__(self)
        if self.width % 2:
            raise UserError(f"both directions share the width; it should be even, got {self.width}")


Head: TypeAlias = Literal["category", "fused"]
"""`category`: C categories beside the relevance (full supervision). `fused`: C + 1 scores times the
relevance, pooled over time by the objective (weak supervision)."""

State: TypeAlias = Tensor | tuple[Tensor, Tensor]
"""Last state of a GRU; of an LSTM, hidden and cell state."""


def bidirectional_lstm(input_width: int, width: int) -> nn.LSTM:
    """An LSTM that reads forwards and backwards and gives features of the width."""
    return nn.LSTM(input_width, width // 2, batch_first=True, bidirectional=True)


def run(
    layer: nn.LSTM | nn.GRU, x_BTD: Tensor, mask_BT: Tensor, state: State | None = None
) -> tuple[Tensor, State]:
    """Run over the segments that exist; they come first in every video.

    Autocast stops here, for processors that compute in bf16 need not have recurrent layers in it.

    Args:
        layer: batch first.
        x_BTD: what it reads.
        mask_BT: True where a segment exists.
        state: the state to start from; left out, zeros.

    Returns:
        The output (B, T, D), zero where no segment exists, and the state after the last segment of
        each video and direction.

    Example:
        >>> mask = torch.tensor([[True, True, False]])
        >>> run(bidirectional_lstm(4, 6), torch.ones(1, 3, 4), mask)[0][0, 2].tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    dtype = next(layer.parameters()).dtype
    with torch.autocast(x_BTD.device.type, enabled=False):
        packed = pack_padded_sequence(
            x_BTD.to(dtype), mask_BT.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        packed_out, last = layer(packed, state)
        out_BTD, _ = pad_packed_sequence(packed_out, batch_first=True, total_length=x_BTD.shape[1])
    return out_BTD, last


class ResidualFusion(nn.Module):
    """Dual multimodal residual fusion (Tian et al., ECCV 2018).

    `m = (U_a a + U_v v) / 2`, fused `(tanh(a + m) + tanh(v + m)) / 2`. In the released code either
    branch adds the other modality's residual, which makes no difference in a single block.

    Args:
        width: D of both modalities and of the result.

    Example:
        >>> tuple(ResidualFusion(4)(torch.ones(2, 5, 4), torch.zeros(2, 5, 4)).shape)
        (2, 5, 4)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.audio = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))
        self.visual = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))

    def forward(self, audio_D: Tensor, visual_D: Tensor) -> Tensor:
        """Give (..., D)."""
        merged_D = (self.visual(visual_D) + self.audio(audio_D)) / 2
        return (torch.tanh(audio_D + merged_D) + torch.tanh(visual_D + merged_D)) / 2


class DecomposedHead(nn.Module):
    """Relevance of every segment, category of the video from features pooled over time (CMRAN).

    Args:
        width: D.
        num_classes: C.
        head: with or without a category for the background.
        pool: how features of segments become those of the video.
    """

    def __init__(
        self, width: int, num_classes: int, head: Head, pool: Literal["max", "mean"]
    ) -> None:
        super().__init__()
        self.is_fused, self.pool = head == "fused", pool
        self.relevance = nn.Linear(width, 1)
        self.category = nn.Linear(width, num_classes + self.is_fused)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Localized:
        """Decompose the task; what is pooled over time leaves padding out."""
        if self.pool == "max":
            pooled_BD = x_BTD.masked_fill(~mask_BT[..., None], MASKED).amax(1)
        else:
            pooled_BD = mean_over_time(x_BTD, mask_BT)
        relevance_BT = self.relevance(x_BTD).squeeze(-1)
        category_BC = self.category(pooled_BD)
        return decomposed(relevance_BT, category_BC, is_fused=self.is_fused)


class BranchedHead(PoolingHead):
    """Classify what is heard, what is seen and both; a video takes the maximum over time.

    The authors of HAN gave AVEL and AVSDN "additional audio and visual parsing branches" for LLP
    and released no code for them; this is a reconstruction from these words. Each branch classifies
    its segments, and its video takes the maximum, as both networks do under weak supervision.

    Args:
        width: D.
        joint_width: J.
        hidden_width: of each branch.
        num_classes: C.
    """

    def __init__(self, width: int, joint_width: int, hidden_width: int, num_classes: int) -> None:
        super().__init__()
        self.width = width

        def branch(input_width: int) -> nn.Sequential:
            hidden, output = (
                nn.Linear(input_width, hidden_width),
                nn.Linear(hidden_width, num_classes),
            )
            for layer in (hidden, output):
                nn.init.xavier_uniform_(layer.weight)
            return nn.Sequential(nn.ReLU(), hidden, nn.ReLU(), output)

        self.audio, self.visual, self.joint = branch(width), branch(width), branch(joint_width)

    def joint_features(self, x_BTMD: Tensor) -> Tensor:
        """What the joint branch reads (B, T, J): both modalities side by side."""
        return x_BTMD.flatten(2)

    def pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Classify the segments of each branch, and take the maximum of those that exist."""
        own_BTMD = x_BTMD[..., : self.width]
        branches = self.audio(own_BTMD[:, :, 0]), self.visual(own_BTMD[:, :, 1])
        prob_BTMC = torch.sigmoid(torch.stack(branches, dim=2)) * present_BM[:, None, :, None]
        joint_BTC = torch.sigmoid(self.joint(self.joint_features(x_BTMD)))
        exists_BTO = mask_BT[..., None]
        stream_BMC = (prob_BTMC * exists_BTO[..., None]).amax(1)
        return Pooled(prob_BTMC, stream_BMC, (joint_BTC * exists_BTO).amax(1))


SMALLEST = 1e-12
"""Magnitudes below this have no square root taken of them: its gradient has no limit at 0."""


class FactorizedBilinear(nn.Module):
    """Multimodal factorized bilinear pooling (Yu et al., ICCV 2017).

    Products of both projections, dropout, the sum over factors, the signed square root and unit
    length, in this order.

    Args:
        audio_width: width of the audio.
        visual_width: width of the picture.
        width: O.
        num_factors: F, products that are summed to one number.
        dropout: of the products.

    Example:
        >>> fusion = FactorizedBilinear(3, 4, width=6, num_factors=2, dropout=0.1).eval()
        >>> norm_BT = fusion(torch.ones(2, 5, 3), torch.ones(2, 5, 4)).norm(dim=-1)
        >>> round(norm_BT[0, 0].item(), 5)
        1.0
    """

    def __init__(
        self, audio_width: int, visual_width: int, width: int, num_factors: int, dropout: float
    ) -> None:
        super().__init__()
        self.num_factors = num_factors
        self.audio = nn.Linear(audio_width, num_factors * width)
        self.visual = nn.Linear(visual_width, num_factors * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, audio_BTD: Tensor, visual_BTD: Tensor) -> Tensor:
        """Give (B, T, O), of unit length."""
        product_BTD = self.dropout(self.audio(audio_BTD) * self.visual(visual_BTD))
        sum_BTO = product_BTD.unflatten(-1, (-1, self.num_factors)).sum(-1)
        wide_BTO = sum_BTO.to(torch.promote_types(sum_BTO.dtype, torch.float32))
        root_BTO = wide_BTO.sign() * wide_BTO.abs().clamp(min=SMALLEST).sqrt()
        return F.normalize(root_BTO, dim=-1).to(sum_BTO.dtype)


def mean_over_time(x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean over the segments that exist, (B, D).

    Example:
        >>> mask_BT = torch.tensor([[True, True, False]])
        >>> mean_over_time(torch.tensor([[[1.0], [2.0], [9.0]]]), mask_BT).item()
        1.5
    """
    exists_BTO = mask_BT[..., None]
    return (x_BTD * exists_BTO).sum(1) / exists_BTO.sum(1)


def softmax_over_time(score_BTD: Tensor, mask_BT: Tensor, *, keep_mean: bool = False) -> Tensor:
    """Weights that sum to 1 over the segments that exist, (B, T, D).

    Args:
        score_BTD: their logits.
        mask_BT: True where a segment exists.
        keep_mean: multiply them by the number of segments, so that their mean is 1.

    Example:
        >>> mask_BT = torch.tensor([[True, True, False]])
        >>> softmax_over_time(torch.zeros(1, 3, 1), mask_BT).flatten().tolist()
        [0.5, 0.5, 0.0]
    """
    weight_BTD = score_BTD.masked_fill(~mask_BT[..., None], MASKED).softmax(1)
    return weight_BTD * mask_BT.sum(1)[:, None, None] if keep_mean else weight_BTD


AUDIO: Literal[0] = 0
VISUAL: Literal[1] = 1


class OneSidedNetwork(ParsingNetwork):
    """A parsing network that perceives one modality.

    Its configuration names streams of the other one all the same, as every network's does; they are
    not read. A subclass writes `encode_side` and `make_head`.

    Attributes:
        side: which modality it perceives.
    """

    side: ClassVar[Literal[0, 1]]
    config: ParsingConfig

    @property
    def widths(self) -> Mapping[str, int]:
        """Width of each stream of the modality, by name."""
        return self.inputs.audio if self.side == AUDIO else self.inputs.visual

    @property
    def input_width(self) -> int:
        """Width of all streams of the modality, side by side."""
        return sum(self.widths.values())

    @abstractmethod
    def encode_side(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Turn the streams of the modality, side by side, into what the head reads (B, T, D).

        Args:
            x_BTD: zero in videos without the modality.
            mask_BT: True where a segment exists.
        """

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Encode the modality; the features of the other are zero."""
        x_BTD = torch.cat([streams[name] for name in self.widths], dim=-1)
        x_BTD = x_BTD * present_BM[:, self.side, None, None]
        features_BTMD = in_one(self.encode_side(x_BTD, mask_BT), self.side, 2)
        return Encoded(fused_BTMD=features_BTMD, projected_BTMD=features_BTMD)


class OneSidedHead(PoolingHead):
    """Pools the features of one modality.

    A subclass writes `pool_side`.

    Args:
        side: which modality is perceived.
    """

    def __init__(self, side: Literal[0, 1]) -> None:
        super().__init__()
        self.side = side

    @abstractmethod
    def pool_side(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Give the probabilities of segments (B, T, C) and of videos (B, C)."""

    def pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Give probabilities of both modalities, 0 in the other one and where there is none."""
        prob_BTC, video_BC = self.pool_side(x_BTMD[:, :, self.side], mask_BT)
        here_BO = present_BM[:, self.side, None]
        prob_BTC, video_BC = prob_BTC * here_BO[:, None], video_BC.clamp(0, 1) * here_BO
        return Pooled(in_one(prob_BTC, self.side, 2), in_one(video_BC, self.side, 1), video_BC)


def in_one(x: Tensor, side: Literal[0, 1], axis: int) -> Tensor:
    """Add an axis of two modalities, one of which is zero.

    Example:
        >>> in_one(torch.ones(2), AUDIO, 0).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """
    both = (x, torch.zeros_like(x))
    return torch.stack(both if side == AUDIO else both[::-1], dim=axis)

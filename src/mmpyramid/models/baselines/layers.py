"""Layers that several of the compared networks have: recurrence, fusion, heads.

Shape letters: B batch, T segments, M modalities (audio, visual), D width of one modality, J width
of joint features, C classes.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmpyramid.models.attention import MASKED
from mmpyramid.models.network import Localized, Pooled
from mmpyramid.models.parsing import PoolingHead

AUDIO: Literal[0] = 0
VISUAL: Literal[1] = 1

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
        self.fused, self.pool = head == "fused", pool
        self.relevance = nn.Linear(width, 1)
        self.category = nn.Linear(width, num_classes + self.fused)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Localized:
        """Decompose the task; what is pooled over time leaves padding out."""
        exists_BTO = mask_BT[..., None]
        if self.pool == "max":
            pooled_BD = x_BTD.masked_fill(~exists_BTO, MASKED).amax(1)
        else:
            pooled_BD = (x_BTD * exists_BTO).sum(1) / exists_BTO.sum(1)
        relevance_BT = self.relevance(x_BTD).squeeze(-1)
        category_BC = self.category(pooled_BD)
        happens_BTO = torch.sigmoid(relevance_BT)[..., None]
        if self.fused:
            score_BTC = happens_BTO * category_BC[:, None]
        else:
            event_BTC = happens_BTO * category_BC.softmax(-1)[:, None]
            score_BTC = torch.cat((event_BTC, 1 - happens_BTO), dim=-1)
        return Localized(score_BTC, relevance_BT, category_BC)


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

"""The attentive feature pyramid: stacked units, each with its own window (Section 4.1, Figure 3).

Shape letters: B batch, T segments, D width, L units.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.models.attention import TransformerLayer
from mmpyramid.models.linear import Linear, linear


class ChannelGate(nn.Module):
    """Per-channel gates that weigh self-attention against cross-modal attention (Eq. 5-6)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_gate = Linear(2 * width, width)
        self.cross_gate = Linear(2 * width, width)

    def forward(self, self_BTD: Tensor, cross_BTD: Tensor) -> Tensor:
        """Give `gate_1 * self + gate_2 * cross`, (B, T, D)."""
        both = torch.cat((self_BTD, cross_BTD), dim=-1)
        from_self = torch.sigmoid(self.self_gate(both)) * self_BTD
        return from_self + torch.sigmoid(self.cross_gate(both)) * cross_BTD


def convolve(convolution: nn.Conv1d, x_BTD: Tensor) -> Tensor:
    """A convolution over time as one product with the segments under its taps, (B, T, D).

    The taps stand last, as they do in the weight, which need not be copied then.
    """
    (dilation,), (taps,) = convolution.dilation, convolution.kernel_size
    num_segments, padding = x_BTD.shape[1], dilation * (taps // 2)
    around_BTD = F.pad(x_BTD, (0, 0, padding, padding))
    starts = range(0, taps * dilation, dilation)
    under_BTDK = torch.stack([around_BTD[:, k : k + num_segments] for k in starts], dim=-1)
    return linear(under_BTDK.flatten(2), convolution.weight.flatten(1), convolution.bias)


class DilatedResidualBlock(nn.Module):
    """Dilated convolution over time, 1x1 convolution, residual connection (Eq. 7-8).

    Follows the released code: the residual is the block's own input, and a ReLU, absent from Eq. 8,
    follows the sum.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.pointwise = nn.Conv1d(width, width, 1)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, D); padded segments count as the zeros beyond the end of a video."""
        x_BTD = x_BTD * mask_BT[..., None]
        hidden_BTD = torch.relu(convolve(self.dilated, x_BTD))
        y_BTD = linear(hidden_BTD, self.pointwise.weight.squeeze(-1), self.pointwise.bias)
        return torch.relu(x_BTD + y_BTD)


class DilatedConvolution(nn.Module):
    """The dilated convolution alone, without 1x1 convolution and residual ("w/o residual")."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give (B, T, D); padded segments count as the zeros beyond the end of a video."""
        return torch.relu(convolve(self.dilated, x_BTD * mask_BT[..., None]))


class NoConvolution(nn.Module):
    """Nothing in place of the dilated block ("w/o conv")."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        del width, dilation

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Give the input, with zeros in padded segments, (B, T, D)."""
        return x_BTD * mask_BT[..., None]


BLOCKS: dict[str, Callable[[int, int], nn.Module]] = {
    "residual": DilatedResidualBlock,
    "convolution": DilatedConvolution,
    "none": NoConvolution,
}
"""What can follow the gates of a unit, by name: made from the width and the dilation."""


class PyramidUnit(nn.Module):
    """One unit of the pyramid: attention within and across modalities, gates, dilated convolution.

    Args:
        width: D.
        window: size of the unit in segments: half-width of the attention window and the dilation.
        layer: makes a transformer layer of that window.
        block: what follows the gates, a key of `BLOCKS`.
        share_cross_attention: one layer for both directions of cross-modal attention, or one each
            (Table 4).
    """

    def __init__(
        self,
        width: int,
        window: int,
        layer: Callable[[int], TransformerLayer],
        *,
        block: str = "residual",
        share_cross_attention: bool = True,
    ) -> None:
        super().__init__()
        self.audio_attention, self.visual_attention = layer(window), layer(window)
        self.cross_attention = layer(window)
        self.visual_cross_attention = None if share_cross_attention else layer(window)
        self.audio_gate, self.visual_gate = ChannelGate(width), ChannelGate(width)
        self.audio_block = BLOCKS[block](width, window)
        self.visual_block = BLOCKS[block](width, window)

    def forward(
        self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the unit's audio and visual features, (B, T, D) each."""
        audio_self = self.audio_attention(audio_BTD, audio_BTD, mask_BT)
        visual_self = self.visual_attention(visual_BTD, visual_BTD, mask_BT)
        audio_cross, visual_cross = self._cross(audio_BTD, visual_BTD, mask_BT)
        audio = self.audio_block(self.audio_gate(audio_self, audio_cross), mask_BT)
        visual = self.visual_block(self.visual_gate(visual_self, visual_cross), mask_BT)
        return audio, visual

    def _cross(
        self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Cross-modal attention; directions that share the layer go through it as one batch."""
        if self.visual_cross_attention is not None:
            audio_cross = self.cross_attention(audio_BTD, visual_BTD, mask_BT)
            return audio_cross, self.visual_cross_attention(visual_BTD, audio_BTD, mask_BT)
        query_BTD = torch.cat((audio_BTD, visual_BTD))
        other_BTD = torch.cat((visual_BTD, audio_BTD))
        crossed_BTD = self.cross_attention(query_BTD, other_BTD, mask_BT.repeat(2, 1))
        return crossed_BTD[: audio_BTD.shape[0]], crossed_BTD[audio_BTD.shape[0] :]


class AttentiveFeaturePyramid(nn.Module):
    """L units in a row; the features of every unit are kept."""

    def __init__(self, units: list[PyramidUnit]) -> None:
        super().__init__()
        self.units = nn.ModuleList(units)

    def forward(
        self, audio_BTD: Tensor, visual_BTD: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the pyramid features of both modalities, (B, T, L, D) each."""
        audio_levels, visual_levels = [], []
        for unit in self.units:
            audio_BTD, visual_BTD = unit(audio_BTD, visual_BTD, mask_BT)
            audio_levels.append(audio_BTD)
            visual_levels.append(visual_BTD)
        return torch.stack(audio_levels, dim=2), torch.stack(visual_levels, dim=2)

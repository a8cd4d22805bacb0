"""Recurrent layers over padded batches.

Shape letters: B batch, T segments, D width.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

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

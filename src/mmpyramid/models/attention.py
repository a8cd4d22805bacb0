"""Windowed multi-head attention and the transformer layer around it.

Shape letters: B batch, T query segments, S key segments, D width, H heads, K = D / H, W window.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.models.dropout import Dropout, dropout_mask
from mmpyramid.models.linear import Linear

MASKED = -1e9
"""Added to scores that must not count: softmax gives them exactly 0 beside any unmasked score."""

BLOCK = 64
"""Queries of one block of banded attention; sequences up to twice this length are done densely."""


def band_bias(num_queries: int, num_keys: int, window: int, offset: int, like: Tensor) -> Tensor:
    """(queries, keys) bias: 0 where |i - (j - offset)| <= window, `MASKED` elsewhere."""
    i = torch.arange(num_queries, device=like.device)[:, None]
    j = torch.arange(num_keys, device=like.device)[None, :] - offset
    return torch.where((i - j).abs() <= window, 0.0, MASKED).to(like.dtype)


def attend(q_TK: Tensor, k_SK: Tensor, v_SK: Tensor, bias: Tensor | None, dropout: float) -> Tensor:
    """Scaled dot-product attention over the last two axes; the leading axes are equal.

    Plain products: for tens of segments they are faster on a CPU than fused kernels.
    """
    # Autocast's choices differ between processors; here every number keeps the type of the queries.
    with torch.autocast(q_TK.device.type, enabled=False):
        k_SK, v_SK = k_SK.to(q_TK.dtype), v_SK.to(q_TK.dtype)
        if torch.is_grad_enabled():
            mixed: Tensor = _Attention.apply(q_TK, k_SK, v_SK, bias, dropout)
            return mixed
        return _weights(q_TK, k_SK, bias) @ v_SK


def _weights(q_TK: Tensor, k_SK: Tensor, bias: Tensor | None) -> Tensor:
    """Softmax of the scaled scores, written out: PyTorch's is slow on rows of ten."""
    scores = (q_TK @ k_SK.transpose(-2, -1)) * q_TK.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    weights: Tensor = powers / powers.sum(-1, keepdim=True)
    return weights


class _Attention(torch.autograd.Function):
    """`attend` with its gradients."""

    @staticmethod
    def forward(
        ctx: Any, q_TK: Tensor, k_SK: Tensor, v_SK: Tensor, bias: Tensor | None, dropout: float
    ) -> Tensor:
        q_TK, k_SK, v_SK = (x.contiguous() for x in (q_TK, k_SK, v_SK))
        weights_TS = _weights(q_TK, k_SK, bias)
        mask_TS = dropout_mask(weights_TS, dropout) if dropout else None
        ctx.save_for_backward(q_TK, k_SK, v_SK, weights_TS, mask_TS)
        return (weights_TS if mask_TS is None else weights_TS * mask_TS) @ v_SK

    @staticmethod
    def backward(ctx: Any, grad_TK: Tensor) -> tuple[Tensor | None, ...]:
        q_TK, k_SK, v_SK, weights_TS, mask_TS = ctx.saved_tensors
        kept_TS = weights_TS if mask_TS is None else weights_TS * mask_TS
        grad_TK = grad_TK.contiguous()
        grad_TS = grad_TK @ v_SK.transpose(-2, -1)
        grad_TS = weights_TS * (grad_TS if mask_TS is None else grad_TS * mask_TS)
        grad_TS = grad_TS - weights_TS * grad_TS.sum(-1, keepdim=True)
        grad_TS = grad_TS * q_TK.shape[-1] ** -0.5
        grad_q, grad_k = grad_TS @ k_SK, grad_TS.transpose(-2, -1) @ q_TK
        return grad_q, grad_k, kept_TS.transpose(-2, -1) @ grad_TK, None, None


def banded_attend(
    q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, mask_BT: Tensor, window: int, dropout: float
) -> Tensor:
    """`attend` within |i - j| <= window, in blocks: time and memory are linear in T."""
    T = q_BHTK.shape[2]
    num_blocks = -(-T // BLOCK)
    tail = num_blocks * BLOCK - T
    span = BLOCK + 2 * window

    def key_blocks(x_BHTK: Tensor) -> Tensor:
        padded = F.pad(x_BHTK, (0, 0, window, window + tail))
        return padded.unfold(2, span, BLOCK).transpose(-2, -1)

    B, H, _, K = q_BHTK.shape
    queries = F.pad(q_BHTK, (0, 0, 0, tail)).view(B, H, num_blocks, BLOCK, K)
    exists = F.pad(mask_BT, (window, window + tail)).unfold(1, span, BLOCK)[:, None, :, None]
    outside = torch.where(exists, 0.0, MASKED).to(q_BHTK.dtype)
    bias = band_bias(BLOCK, span, window, window, q_BHTK) + outside
    mixed = attend(queries, key_blocks(k_BHTK), key_blocks(v_BHTK), bias, dropout)
    return mixed.flatten(2, 3)[:, :, :T]


class WindowedAttention(nn.Module):
    """Multi-head attention in which segment i sees the segments j with |i - j| <= window.

    The paper's fixed-size attention (Section 4.1, Figure 4); the released code's window is the
    unit's size on both sides. `window=None` lets every query see every key.

    Args:
        width: D.
        num_heads: H, a divisor of D.
        window: W in segments, or None.
        dropout: dropout of the attention probabilities.
    """

    def __init__(self, width: int, num_heads: int, window: int | None, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.window, self.dropout = num_heads, window, dropout
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.output = Linear(width, width)

    def forward(self, query_BTD: Tensor, memory_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        """Mix the memory into each query.

        Args:
            query_BTD: queries; T = S unless the window is None.
            memory_BSD: keys and values.
            mask_BS: True where a key exists; padding is never attended to.

        Returns:
            (B, T, D).
        """

        def split(x_BTD: Tensor) -> Tensor:
            return x_BTD.view(*x_BTD.shape[:2], self.num_heads, -1).transpose(1, 2)

        q = split(self.query(query_BTD))
        k = split(self.key(memory_BSD))
        v = split(self.value(memory_BSD))
        dropout = self.dropout if self.training else 0.0
        T = q.shape[2]
        # An exported graph serves all lengths, so it cannot choose by length.
        if self.window is not None and not torch.compiler.is_compiling() and 2 * BLOCK < T:
            mixed = banded_attend(q, k, v, mask_BS, self.window, dropout)
        else:
            bias = torch.where(mask_BS, 0.0, MASKED).to(q.dtype)[:, None, None, :]
            if self.window is not None:
                bias = bias + band_bias(T, T, self.window, 0, q)
            mixed = attend(q, k, v, bias, dropout)
        out: Tensor = self.output(mixed.transpose(1, 2).flatten(-2))
        return out


class TransformerLayer(nn.Module):
    """`q1 = q + Drop(MHA(LN(q), m, m)); q2 = q1 + Drop(FFN(LN(q1)))`, as the authors released it.

    Departures of the release from the paper's text: layer normalization touches the query only,
    keys and values enter un-normalized even in self-attention, and every layer has its own
    feed-forward part.

    Args:
        width: D, also the hidden width of the feed-forward part.
        num_heads: H.
        window: W in segments, or None for attention over everything.
        dropout: dropout of both residual branches and inside the feed-forward part.
        attention_dropout: dropout of the attention probabilities.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        window: int | None,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = WindowedAttention(width, num_heads, window, attention_dropout)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            Linear(width, width), nn.ReLU(), Dropout(dropout), Linear(width, width)
        )
        self.dropout = Dropout(dropout)

    def forward(self, query_BTD: Tensor, memory_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        """Give the query with what the memory adds to it, (B, T, D)."""
        mixed = self.attention(self.attention_norm(query_BTD), memory_BSD, mask_BS)
        x = query_BTD + self.dropout(mixed)
        out: Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return out

"""Windowed multi-head attention and the transformer layer around it (Section 4.1, Figure 4).

Shape letters: B batch, T query segments, S key segments, D width, H heads, K = D / H, W window,
N blocks of queries.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MASKED = -1e9
"""Stands for scores that must not count: softmax gives them exactly 0 beside any unmasked score."""

BLOCK = 64
"""Queries of one block of banded attention; sequences up to twice this length are done densely."""


def attend(
    q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, visible_BTS: Tensor, dropout: float
) -> Tensor:
    """Scaled dot-product attention of each query to the keys that are visible to it.

    A query that sees no key, as in padding, gets the mean of all values instead of NaN.

    Example:
        >>> q = torch.ones(1, 1, 2, 3)
        >>> attend(q, q, q, torch.zeros(1, 2, 2).bool(), 0.0)[0, 0, 0].tolist()
        [1.0, 1.0, 1.0]
    """
    sees_nothing_BTO = ~visible_BTS.any(-1, keepdim=True)
    return F.scaled_dot_product_attention(
        *(q_BHTK, k_BHSK, v_BHSK),
        attn_mask=(visible_BTS | sees_nothing_BTO).unsqueeze(1),
        dropout_p=dropout,
    )


def banded_attend(
    q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, mask_BT: Tensor, window: int, dropout: float
) -> Tensor:
    """`attend` within |i - j| <= window, block by block: time and memory are linear in T."""
    B, H, T, K = q_BHTK.shape
    num_blocks = -(-T // BLOCK)
    tail = num_blocks * BLOCK - T
    span = BLOCK + 2 * window

    def key_blocks(x_BHTK: Tensor) -> Tensor:
        blocks_BHNKS = F.pad(x_BHTK, (0, 0, window, window + tail)).unfold(2, span, BLOCK)
        return blocks_BHNKS.permute(0, 2, 1, 4, 3).flatten(0, 1)

    queries_BHNTK = F.pad(q_BHTK, (0, 0, 0, tail)).view(B, H, num_blocks, BLOCK, K)
    queries = queries_BHNTK.transpose(1, 2).flatten(0, 1)
    exists_BNS = F.pad(mask_BT, (window, window + tail)).unfold(1, span, BLOCK)
    in_window_TS = near(BLOCK, span, window, offset=window, device=mask_BT.device)
    visible = exists_BNS.flatten(0, 1)[:, None] & in_window_TS
    mixed = attend(queries, key_blocks(k_BHTK), key_blocks(v_BHTK), visible, dropout)
    mixed_BHNTK = mixed.view(B, num_blocks, H, BLOCK, K).transpose(1, 2)
    return mixed_BHNTK.flatten(2, 3)[:, :, :T]


def near(
    num_queries: int, num_keys: int, window: int, *, offset: int = 0, device: torch.device
) -> Tensor:
    """Which keys lie in the window of each query, (T, S): |i - (j - offset)| <= window."""
    i_T = torch.arange(num_queries, device=device)
    j_S = torch.arange(num_keys, device=device) - offset
    return (i_T[:, None] - j_S).abs() <= window


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
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

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

        q, k, v = self.query(query_BTD), self.key(memory_BSD), self.value(memory_BSD)
        q, k, v = split(q), split(k), split(v)
        dropout = self.dropout if self.training else 0.0
        T = query_BTD.shape[1]
        # An exported graph serves all lengths, so it cannot choose by length.
        if self.window is not None and not torch.compiler.is_exporting() and 2 * BLOCK < T:
            mixed = banded_attend(q, k, v, mask_BS, self.window, dropout)
        else:
            visible = mask_BS[:, None].expand(-1, T, -1)
            if self.window is not None:
                visible = visible & near(T, T, self.window, device=mask_BS.device)
            mixed = attend(q, k, v, visible, dropout)
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
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, query_BTD: Tensor, memory_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        """Give the query with what the memory adds to it, (B, T, D)."""
        return self.feed(self.mix(query_BTD, memory_BSD, mask_BS))

    def mix(self, query_BTD: Tensor, memory_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        """The first half: the query after attention, (B, T, D)."""
        mixed = self.attention(self.attention_norm(query_BTD), memory_BSD, mask_BS)
        out: Tensor = query_BTD + self.dropout(mixed)
        return out

    def feed(self, x_BTD: Tensor) -> Tensor:
        """The second half, (B, T, D)."""
        out: Tensor = x_BTD + self.dropout(self.feed_forward(self.feed_forward_norm(x_BTD)))
        return out


def positional_encoding(num_segments: int, like_BTD: Tensor) -> Tensor:
    """Sines and cosines of T positions, (T, D); Vaswani et al., 2017, Section 3.5."""
    width, wide = like_BTD.shape[-1], torch.promote_types(like_BTD.dtype, torch.float32)
    # bf16 has no 257: it would be position 256 again.
    position_T = torch.arange(num_segments, device=like_BTD.device, dtype=wide)
    power_K = torch.arange(0, width, 2, device=like_BTD.device, dtype=wide) / width
    angle_TK = position_T[:, None] * 10_000**-power_K
    return torch.stack((angle_TK.sin(), angle_TK.cos()), dim=-1).flatten(1).to(like_BTD.dtype)

"""Windowed attention against a plain reference that forms the whole square of scores."""

import math

import pytest
import torch

from mmpyramid.models.attention import BLOCK, WindowedAttention


def reference(layer, query_BTD, memory_BSD, mask_BS):
    """Every score of every pair, of which those outside of window and mask weigh nothing."""
    q, k, v = (
        project(x).unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
        for project, x in (
            (layer.query, query_BTD),
            (layer.key, memory_BSD),
            (layer.value, memory_BSD),
        )
    )
    distance_TS = torch.arange(q.shape[2])[:, None] - torch.arange(k.shape[2])
    near_TS = distance_TS.abs() <= (math.inf if layer.window is None else layer.window)
    score_BHTS = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    score_BHTS = score_BHTS.masked_fill(~(near_TS & mask_BS[:, None, None]), -math.inf)
    weight_BHTS = score_BHTS.softmax(-1).nan_to_num()  # a query that is near nothing
    return layer.output((weight_BHTS @ v).transpose(1, 2).flatten(2))


def attention(window):
    torch.manual_seed(0)
    return WindowedAttention(width=8, num_heads=2, window=window, dropout=0.5).eval()


@pytest.mark.parametrize("window", [1, 2, 8, None])
@pytest.mark.parametrize("length", [1, 10, 2 * BLOCK + 1, 3 * BLOCK])
@torch.no_grad()
def test_agrees_with_the_reference(window, length):
    layer = attention(window)
    torch.manual_seed(length)
    query, memory = torch.randn(2, length, 8), torch.randn(2, length, 8)
    mask = torch.ones(2, length, dtype=torch.bool)
    mask[1, length // 2 + 1 :] = False
    ours, plain = layer(query, memory, mask), reference(layer, query, memory, mask)
    torch.testing.assert_close(ours[mask], plain[mask], atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_long_sequences_never_form_a_square_of_scores():
    layer, length = attention(window=4), 20_000
    x, mask = torch.randn(1, length, 8), torch.ones(1, length, dtype=torch.bool)
    with torch.profiler.profile(profile_memory=True) as profile:
        layer(x, x, mask)
    largest = max(event.self_cpu_memory_usage for event in profile.key_averages())
    assert largest < length * 8 * 4 * 40, "memory should be linear in the length"


def test_gradients_reach_every_projection_of_a_banded_layer():
    layer = attention(window=2)
    x = torch.randn(1, 3 * BLOCK, 8)
    layer(x, x, torch.ones(1, 3 * BLOCK, dtype=torch.bool)).square().sum().backward()
    for name in ("query", "key", "value", "output"):
        assert getattr(layer, name).weight.grad.abs().sum() > 0


def test_dropout_acts_in_training_only():
    layer, mask = attention(window=2), torch.ones(1, 10, dtype=torch.bool)
    x = torch.randn(1, 10, 8)
    assert torch.equal(layer(x, x, mask), layer(x, x, mask))
    layer.train()
    assert not torch.equal(layer(x, x, mask), layer(x, x, mask))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("length", [10, 3 * BLOCK])
@torch.no_grad()
def test_half_precision_gives_no_nan_where_nothing_is_seen(dtype, length):
    layer, x = attention(window=2).to(dtype), torch.randn(2, length, 8, dtype=dtype)
    mask = torch.zeros(2, length, dtype=torch.bool)
    mask[0, :3] = True
    assert layer(x, x, mask).isfinite().all()

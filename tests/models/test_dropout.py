"""Dropout with cheap masks."""

import pytest
import torch

from mmpyramid.models.dropout import Dropout, dropout_mask


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_masks_drop_the_wanted_share_and_keep_the_mean(p, dtype):
    torch.manual_seed(0)
    mask = dropout_mask(torch.empty(501, 401, dtype=dtype), p)
    assert mask.dtype == dtype
    assert (mask == 0).float().mean().item() == pytest.approx(p, abs=0.004)
    kept = mask[mask > 0].unique().item()
    assert kept == pytest.approx(1 / (1 - p), rel=0.004 if dtype == torch.bfloat16 else 1e-4)


def test_neighbours_are_independent():
    torch.manual_seed(0)
    dropped = (dropout_mask(torch.empty(400_000), 0.5) == 0).float() - 0.5
    for lag in (1, 2, 3, 4, 8, 512):
        assert 4 * (dropped[lag:] * dropped[:-lag]).mean().abs() < 0.01


@pytest.mark.parametrize(("p", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_nothing_or_everything(p, expected):
    assert dropout_mask(torch.empty(7), p).eq(expected).all()


def test_the_seed_fixes_the_mask_and_evaluation_drops_nothing():
    layer, x = Dropout(0.5), torch.ones(100)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(layer(x), first)
    assert layer.eval()(x) is x

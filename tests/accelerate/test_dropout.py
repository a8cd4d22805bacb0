"""Dropout with cheap masks, put into networks from outside."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from mmpyramid.accelerate import CheapDropout, accelerate
from mmpyramid.accelerate.step import dropout_mask
from mmpyramid.models import HAN, HANConfig, MMPyramid, MMPyramidConfig


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
    layer, x = CheapDropout(0.5), torch.ones(100)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(layer(x), first)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("make", [MMPyramid, HAN])
def test_every_network_gets_it_and_stays_what_it_is(make):
    config = {MMPyramid: MMPyramidConfig, HAN: HANConfig}[make](width=16)
    network, plain = make(config), make(config)
    plain.load_state_dict(network.state_dict())
    accelerate(network)
    assert not any(type(module) is nn.Dropout for module in network.modules())
    assert sum(isinstance(module, CheapDropout) for module in network.modules()) > 1
    assert list(network.state_dict()) == list(plain.state_dict())
    assert any(isinstance(module, CheapDropout) for module in deepcopy(network).modules())
    streams = {name: torch.rand(2, 10, width) for name, width in network.streams.items()}
    assert torch.equal(network.eval()(streams).video_BC, plain.eval()(streams).video_BC)


def test_only_layers_of_pytorch_itself_change():
    class Own(nn.Dropout):
        pass

    network = nn.Sequential(nn.Dropout1d(0.5), Own(0.5))
    accelerate(network)
    assert [type(layer) for layer in network] == [nn.Dropout1d, Own]


def test_elsewhere_and_in_compiled_graphs_masks_are_those_of_pytorch(monkeypatch):
    def fail(*_):
        raise AssertionError("a mask was drawn for a CPU")

    layer = CheapDropout(0.5)
    monkeypatch.setattr("mmpyramid.accelerate.step.dropout_mask", fail)
    assert layer(torch.ones(3, device="meta")).is_meta
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    assert set(compiled(torch.ones(100)).tolist()) == {0.0, 2.0}
    with pytest.raises(AssertionError):
        layer(torch.ones(3))

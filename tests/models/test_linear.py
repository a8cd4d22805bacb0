"""Linear layers against PyTorch's own, by whichever library multiplies."""

import pytest
import torch
from torch.nn import functional as F

from mmpyramid.models import linear as module
from mmpyramid.models.linear import Linear, linear


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"], autouse=True)
def library(request, monkeypatch):
    monkeypatch.setattr(module, "_mkl_is_slow", lambda: request.param)


def gradients(function, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    y = function(*leaves)
    return [y, *torch.autograd.grad(y.square().sum(), leaves)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 12), (2, 7, 12), (0, 12)])
def test_values_and_gradients_are_those_of_pytorch(shape, dtype):
    torch.manual_seed(0)
    tensors = [torch.randn(*size, dtype=dtype) for size in (shape, (9, 12), (9,))]
    for ours, theirs in zip(
        gradients(linear, *tensors), gradients(F.linear, *tensors), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_transposed_and_sliced_inputs_are_read_right():
    torch.manual_seed(0)
    x, weight = torch.randn(12, 30)[:, ::3].t(), torch.randn(12, 9).t()
    torch.testing.assert_close(linear(x, weight), x @ weight.t())


def test_autocast_multiplies_in_bf16_and_gives_gradients_in_float32():
    torch.manual_seed(0)
    layer, plain = Linear(64, 32), torch.nn.Linear(64, 32)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(4, 64)
    found = []
    for each in (layer, plain):
        with torch.autocast("cpu", torch.bfloat16):
            y = each(x)
        assert y.dtype == torch.bfloat16
        y.float().square().sum().backward()
        assert each.weight.grad.dtype == each.bias.grad.dtype == torch.float32
        found.append([y, each.weight.grad, each.bias.grad])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.05)


def test_a_network_in_bf16_takes_float32():
    layer = Linear(8, 3).bfloat16()
    y = layer(torch.randn(5, 8))
    assert y.dtype == torch.bfloat16


def test_only_wanted_gradients_are_computed():
    layer = Linear(4, 3).requires_grad_(False)
    x = torch.randn(2, 4, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(2, -1))

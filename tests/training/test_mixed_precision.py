"""bf16 training as a GPU does it: losses in float32 outside autocast, gradients of one type."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from cuda_autocast import CudaAutocast
from torch.overrides import TorchFunctionMode

from mmpyramid.models.attention import attend
from mmpyramid.problems import Objective
from mmpyramid.training.module import NetworkModule
from mmpyramid.training.recipes import RECIPES
from random_batch import random_batch


def module_of(config):
    """A training module without a trainer: `training_step` needs a log."""
    torch.manual_seed(0)
    module = NetworkModule(config)
    module.log = lambda *args, **kwargs: None
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_as_autocast_computes_on_a_gpu(name):
    config = RECIPES[name]()
    config.model.width = 16
    module, videos = module_of(config), random_batch(config.model, config.objective.problem)
    with CudaAutocast():
        with torch.autocast("cpu", torch.bfloat16):
            loss = module.training_step(videos, 0)
        loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    for parameter_name, parameter in module.network.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.dtype == parameter.dtype, parameter_name


@dataclass(kw_only=True, slots=True)
class ProbeObjective(Objective):
    """Notes what it is given."""

    problem: ClassVar[str] = "parsing"
    seen: ClassVar[SimpleNamespace] = SimpleNamespace()

    def __call__(self, output, batch):
        encoded = output.encoded
        self.seen.autocast = torch.is_autocast_enabled("cpu")
        self.seen.dtypes = {output.prob_BTMC.dtype, output.video_BC.dtype}
        self.seen.dtypes |= {encoded.fused_BTMD.dtype, encoded.projected_BTMD.dtype}
        return output.video_BC.mean()


@pytest.mark.parametrize("name", ["llp", "han", "llp-hybrid-transformer"])
def test_no_objective_sees_autocast(name):
    config = RECIPES[name]()
    config.model.width, config.objective = 16, ProbeObjective()
    videos = random_batch(config.model, "parsing")
    with torch.autocast("cpu", torch.bfloat16):
        module_of(config).training_step(videos, 0)
    assert ProbeObjective.seen.autocast is False
    assert ProbeObjective.seen.dtypes == {torch.float32}


class Float32Sums(TorchFunctionMode):
    """Softmax's pieces in float32, whatever comes in: a processor that widens them."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        is_piece = getattr(func, "__name__", "") in {"exp", "softmax", "sum"}
        return out.float() if is_piece and torch.is_autocast_enabled("cpu") else out


@pytest.mark.parametrize("mode", [CudaAutocast, Float32Sums])
@pytest.mark.parametrize("types", [("bfloat16",) * 3, ("bfloat16", "float32", "float32")])
def test_gradients_of_attention_have_the_type_of_their_inputs(mode, types):
    q, k, v = (torch.rand(2, 4, 5, 8).to(getattr(torch, dtype)).requires_grad_() for dtype in types)
    with mode(), torch.autocast("cpu", torch.bfloat16):
        mixed = attend(q, k, v, torch.ones(2, 5, 5).bool(), 0.1)
    mixed.sum().backward()
    assert mixed.dtype == q.dtype
    assert [x.grad.dtype for x in (q, k, v)] == [x.dtype for x in (q, k, v)]

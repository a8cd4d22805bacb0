"""Adam with bf16 copies is Adam under autocast, bit by bit."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from mmpyramid.models import create_model
from mmpyramid.models.linear import Linear
from mmpyramid.training.mixed_adam import MixedAdam
from mmpyramid.training.recipes import RECIPES
from random_batch import random_batch


class Training:
    """A small network of a recipe, trained under autocast with either optimizer."""

    def __init__(self, recipe: str, mixed: bool, learning_rate: float = 1e-3) -> None:
        self.config = RECIPES[recipe]()
        self.config.model.width = 16
        torch.manual_seed(0)
        self.network = create_model(self.config.model)
        self.forward = self.network
        self.optimizer = torch.optim.Adam(self.network.parameters(), learning_rate, fused=True)
        if mixed:
            self.optimizer = MixedAdam(self.network, learning_rate)
            self.forward = self.optimizer.forward

    def step(self, seed: int) -> None:
        """One step, dropout by the seed."""
        torch.manual_seed(seed)
        videos = random_batch(self.config.model, self.config.objective.problem)
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            output = self.forward(videos.streams, videos.mask_BT, videos.present_BM)
            loss = self.config.objective(output, videos)
        loss.backward()
        self.optimizer.step()


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    """All parameters are the same."""
    for (name, ours), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


@pytest.mark.parametrize("recipe", RECIPES)
def test_steps_are_those_of_autocast(recipe):
    mixed, plain = Training(recipe, mixed=True), Training(recipe, mixed=False)
    for seed in range(3):
        mixed.step(seed)
        plain.step(seed)
    assert_equal(mixed.network, plain.network)


def test_what_is_copied_has_no_gradient_of_its_own():
    mixed = Training("llp", mixed=True)
    mixed.step(0)
    converted = [name for name, p in mixed.network.named_parameters() if p.grad is not None]
    weights = [name for name in converted if name.endswith("weight") and "norm" not in name]
    assert weights == [name for name in weights if name.startswith("head.") or "selection" in name]


def test_a_run_goes_on_from_a_state_of_adam():
    mixed, plain = Training("llp", mixed=True), Training("llp", mixed=False)
    for seed in range(2):
        plain.step(seed)
    mixed.network.load_state_dict(plain.network.state_dict())
    mixed.optimizer.load_state_dict(deepcopy(plain.optimizer.state_dict()))
    mixed.step(2)
    plain.step(2)
    assert_equal(mixed.network, plain.network)


class Odd(nn.Module):
    """A frozen weight, one that two layers share, and one that a parametrization computes."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.one, self.two = Linear(4, 4), Linear(4, 4), Linear(4, 4)
        self.frozen.weight.requires_grad_(False)
        self.two.weight = self.one.weight
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))

    def forward(self, x):
        return self.normed(self.two(self.one(self.frozen(x))))


def test_weights_that_are_frozen_shared_or_computed():
    torch.manual_seed(0)
    mixed, plain = Odd(), Odd()
    plain.load_state_dict(mixed.state_dict())
    before = deepcopy(mixed.frozen.weight)
    optimizers = [MixedAdam(mixed, 1e-2), torch.optim.Adam(plain.parameters(), 1e-2, fused=True)]
    for optimizer, forward in zip(optimizers, (optimizers[0].forward, plain), strict=True):
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                y = forward(torch.ones(3, 4))
            y.float().square().mean().backward()
            optimizer.step()
    assert torch.equal(mixed.frozen.weight, before)
    assert mixed.one.weight is mixed.two.weight
    assert_equal(mixed, plain)

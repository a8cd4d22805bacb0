"""Every recipe is complete, independent, and trains for two steps."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmpyramid.models import create_model
from mmpyramid.training.recipes import RECIPES
from random_batch import narrow, random_batch

UNREPEATABLE = {
    *("_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", "avg_pool3d_backward"),
    *("adaptive_max_pool2d_backward", "fractional_max_pool2d_backward", "_ctc_loss_backward"),
    *("fractional_max_pool3d_backward", "max_unpool2d", "max_unpool3d", "_embedding_bag"),
    *("upsample_linear1d_backward", "upsample_bilinear2d_backward", "reflection_pad1d_backward"),
    *("upsample_bicubic2d_backward", "upsample_trilinear3d_backward", "nll_loss2d_forward"),
    *("reflection_pad2d_backward", "reflection_pad3d_backward", "grid_sampler_2d_backward"),
    *("grid_sampler_3d_backward", "put_", "put", "histc", "bincount", "median", "scatter_reduce"),
}
"""Operators that on a GPU have no algorithm that repeats itself, from the documentation of
`torch.use_deterministic_algorithms`; `NLLLoss` is refused in its form for pictures."""


class Operators(TorchDispatchMode):
    """Notes which operators are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_what_cannot_repeat_itself_would_be_found():
    with Operators() as operators:
        torch.zeros(2).put_(torch.tensor([0]), torch.ones(1))
    assert operators.names & UNREPEATABLE == {"put_"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_two_steps_move_every_part_that_the_loss_reaches(name):
    config = RECIPES[name]()
    narrow(config.model)
    torch.manual_seed(0)
    network = create_model(config.model)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    videos = random_batch(config.model, config.objective.problem)
    for _ in range(2):
        optimizer.zero_grad()
        with Operators() as operators:
            output = network(videos.streams, videos.mask_BT, videos.present_BM)
            loss = config.objective(output, videos)
            loss.backward()
        assert loss.isfinite()
        assert operators.names & UNREPEATABLE == set(), "see docs/gpu.md, --deterministic"
        optimizer.step()
    after = network.state_dict()
    still = [key for key in after if torch.equal(after[key], before[key])]
    # Softmax does not see what a bias of the keys adds to all scores of a query.
    assert [key for key in still if not key.endswith("key.bias")] == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_a_new_configuration_each_time(name):
    first, second = RECIPES[name](), RECIPES[name]()
    first.model.audio_streams["changed"] = 1
    assert "changed" not in second.model.audio_streams
    with pytest.raises(AttributeError):
        second.epoch = 3


@pytest.mark.parametrize("name", RECIPES)
def test_a_configuration_survives_its_plain_form(name):
    model = RECIPES[name]().model
    assert type(model).from_dict(model.to_dict()) == model

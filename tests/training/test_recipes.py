"""Every recipe is complete, independent, and trains for two steps."""

import pytest
import torch

from mmpyramid.models import create_model
from mmpyramid.training.recipes import RECIPES
from random_batch import random_batch


@pytest.mark.parametrize("name", RECIPES)
def test_two_steps_move_every_part_that_the_loss_reaches(name):
    config = RECIPES[name]()
    config.model.width = 16
    torch.manual_seed(0)
    network = create_model(config.model)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    videos = random_batch(config.model, config.objective.problem)
    for _ in range(2):
        optimizer.zero_grad()
        loss = config.objective(network(videos.streams, videos.mask_BT, videos.present_BM), videos)
        assert loss.isfinite()
        loss.backward()
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

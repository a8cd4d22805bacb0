"""Every recipe is complete, independent, and trains for two steps."""

import pytest
import torch

from mmpyramid.data.batch import Batch
from mmpyramid.models import NetworkConfig, create_model
from mmpyramid.recipes import RECIPES

NUM_VIDEOS, NUM_SEGMENTS, MAP = 3, 10, {"vgg19": (7, 7)}


def batch(config: NetworkConfig, task: str) -> Batch:
    """Random features and labels of a recipe's shapes."""
    generator = torch.Generator().manual_seed(0)
    num_classes = len(config.labels)
    shape = (NUM_VIDEOS, NUM_SEGMENTS)
    streams = {
        name: torch.rand(*shape, *MAP.get(name, ()), width, generator=generator)
        for name, width in config.inputs.widths.items()
    }
    category = torch.arange(NUM_VIDEOS)
    columns = num_classes + (task == "localization")
    segment = category[:, None].expand(shape).clone()
    segment[:, :3] = num_classes
    return Batch(
        streams=streams,
        mask_BT=torch.ones(shape, dtype=torch.bool),
        present_BM=torch.ones(NUM_VIDEOS, 2, dtype=torch.bool),
        weak_BC=torch.nn.functional.one_hot(category, columns).float(),
        segment_BT=segment,
    )


@pytest.mark.parametrize("name", RECIPES)
def test_two_steps_move_every_part_that_the_loss_reaches(name):
    config = RECIPES[name]()
    config.model.width = 16
    torch.manual_seed(0)
    network = create_model(config.model)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    videos = batch(config.model, config.objective.task)
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

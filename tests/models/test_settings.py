"""Settings that make no network, and no loss, are refused by name."""

import math

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.models import PyramidConfig
from mmpyramid.models.registry import architecture
from mmpyramid.problems.localization.losses import DecomposedObjective
from mmpyramid.problems.parsing.losses import (
    CompletenessObjective,
    GuidedObjective,
    SparseObjective,
)
from mmpyramid.training.recipes import RECIPES


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("han", {"num_heads": 0}, "num_heads should be at least 1, got 0"),
        ("han", {"dropout": 1.5}, r"dropout should be in 0\.\.1, got 1\.5"),
        ("han", {"dropout": math.nan}, r"dropout should be in 0\.\.1, got nan"),
        ("cmran", {"num_layers": 0}, "num_layers should be at least 1"),
        ("cmran", {"feed_forward_width": 0}, "feed_forward_width should be at least 1"),
        ("cmran", {"map_dropout": -0.1}, "map_dropout should be"),
        ("cmcs", {"num_branches": 1}, "num_branches should be at least 2"),
        ("kong", {"num_layers": -1}, "num_layers should be at least 1"),
        ("avel", {"attention_width": 0}, "attention_width should be at least 1"),
    ],
)
def test_of_networks(name, changes, message):
    with pytest.raises(UserError, match=message):
        architecture(name).config_class(**changes)


@pytest.mark.parametrize("changes", [{"num_heads": 0}, {"attention_dropout": 2.0}])
def test_of_the_pyramid(changes):
    with pytest.raises(UserError, match=next(iter(changes))):
        PyramidConfig(**changes)


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (SparseObjective, {"sparsity_weight": -1.0}),
        (CompletenessObjective, {"diversity_weight": math.nan}),
        (DecomposedObjective, {"category_weight": math.inf}),
        (GuidedObjective, {"contrast": math.nan}),
    ],
)
def test_of_objectives(make, changes):
    with pytest.raises(UserError, match="--objective." + next(iter(changes)).replace("_", "-")):
        make(**changes)


@pytest.mark.parametrize("recipe", RECIPES)
def test_those_of_recipes_are_fine(recipe):
    config = RECIPES[recipe]()
    config.model.__post_init__()
    config.objective.__post_init__()

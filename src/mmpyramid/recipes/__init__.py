"""Recipes: functions that return a complete training configuration."""

from collections.abc import Callable

from mmpyramid.recipes.llp import compact, llp, llp_open
from mmpyramid.training.config import TrainConfig

RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "llp": llp,
    "llp-open": llp_open,
    "compact": compact,
}
"""Name to recipe, as the command line knows them."""

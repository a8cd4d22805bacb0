"""Strategies: ways to train a recipe's network, one file each, registered by name."""

from mmpyramid.training.strategies import (  # noqa: F401 - importing registers
    cmrc,
    coleaf,
    ema_teacher,
    jomold,
    leap,
    lsld,
    uwav,
    valor,
)
from mmpyramid.training.strategies.registry import (
    STRATEGIES,
    Fit,
    Strategy,
    register_strategy,
    strategy_named,
)

__all__ = ["STRATEGIES", "Fit", "Strategy", "register_strategy", "strategy_named"]

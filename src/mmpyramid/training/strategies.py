"""Strategies: ways to train a recipe's network, registered by name.

A strategy changes labels, losses or batches, and leaves the network alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mmpyramid.core.errors import UserError
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.modality_aware import fit_modality_aware
from mmpyramid.training.run import Run, fit


class Strategy(Protocol):
    """Trains a network; called with the same arguments as `mmpyramid.training.run.fit`."""

    def __call__(
        self,
        config: TrainConfig,
        data: Path,
        out: Path,
        *,
        features: Path | None = None,
        resume: bool = False,
    ) -> Run:
        """Train, or resume, and return the run whose network is the result."""
        ...


def _modality_aware(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    features: Path | None = None,
    resume: bool = False,
) -> Run:
    return fit_modality_aware(config, data, out, features=features, resume=resume).retrained


STRATEGIES: dict[str, Strategy] = {"plain": fit, "modality-aware": _modality_aware}
"""Name to strategy: `plain` is one run on the labels of the data set."""


def register_strategy(name: str, strategy: Strategy) -> None:
    """Make a strategy known to `mmpyramid train RECIPE --strategy NAME`.

    Raises:
        UserError: if another strategy has the name.

    Example:
        >>> register_strategy("twice", fit_twice)  # doctest: +SKIP
    """
    if STRATEGIES.get(name, strategy) is not strategy:
        raise UserError(f"there already is a strategy `{name}`; give yours another name")
    STRATEGIES[name] = strategy


def strategy_named(name: str) -> Strategy:
    """The strategy of a name.

    Raises:
        UserError: if there is none; the known ones are listed.

    Example:
        >>> strategy_named("plain") is fit
        True
    """
    if name not in STRATEGIES:
        raise UserError(f"there is no strategy `{name}`; known are {', '.join(STRATEGIES)}")
    return STRATEGIES[name]

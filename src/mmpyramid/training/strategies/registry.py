"""Which ways to train there are, by name.

A strategy changes labels, losses or batches, and leaves the network alone: it changes a recipe's
configuration (its objective above all), or takes several runs, or both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmpyramid.core.errors import UserError
from mmpyramid.training.config import TrainConfig

if TYPE_CHECKING:
    from mmpyramid.training.run import Run


class Fit(Protocol):
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


def one_run(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    features: Path | None = None,
    resume: bool = False,
) -> Run:
    """Train once, as the configuration says."""
    from mmpyramid.training.run import fit

    return fit(config, data, out, features=features, resume=resume)


def unchanged(config: TrainConfig) -> TrainConfig:
    """The recipe as it is."""
    return config


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to train.

    Attributes:
        summary: what it is, on one line.
        configure: gives the configuration that a recipe has under this strategy; flags of the
            command line then change that.
        fit: trains.
    """

    summary: str
    configure: Callable[[TrainConfig], TrainConfig] = unchanged
    fit: Fit = one_run


STRATEGIES: dict[str, Strategy] = {}
"""Name to strategy."""


def register_strategy(
    name: str,
    fit: Fit = one_run,
    *,
    configure: Callable[[TrainConfig], TrainConfig] = unchanged,
    summary: str = "",
) -> None:
    """Make a strategy known to `mmpyramid train RECIPE --strategy NAME`.

    Args:
        name: for `--strategy`.
        fit: trains; left out, one run.
        configure: changes a recipe's configuration; left out, nothing.
        summary: what it is; left out, the first line of the docstring of `configure` or `fit`.

    Raises:
        UserError: if another strategy has the name.

    Example:
        >>> register_strategy("twice", fit_twice)  # doctest: +SKIP
    """
    documented = fit if configure is unchanged else configure
    summary = summary or (documented.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    strategy = Strategy(summary=summary, configure=configure, fit=fit)
    if STRATEGIES.get(name, strategy) != strategy:
        raise UserError(f"there already is a strategy `{name}`; give yours another name")
    STRATEGIES[name] = strategy


def strategy_named(name: str) -> Strategy:
    """The strategy of a name.

    Raises:
        UserError: if there is none; the known ones are listed.

    Example:
        >>> strategy_named("plain").fit is one_run
        True
    """
    if name not in STRATEGIES:
        raise UserError(f"there is no strategy `{name}`; known are {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def _modality_aware(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    features: Path | None = None,
    resume: bool = False,
) -> Run:
    from mmpyramid.training.modality_aware import fit_modality_aware

    return fit_modality_aware(config, data, out, features=features, resume=resume).retrained


register_strategy("plain", summary="one run on the labels of the data set")
register_strategy("modality-aware", _modality_aware, summary="the three runs of `refine` (MA)")

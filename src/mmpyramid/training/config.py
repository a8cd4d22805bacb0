"""Everything that a training run depends on besides its data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mmpyramid.core.errors import UserError
from mmpyramid.models import NetworkConfig
from mmpyramid.models.registry import architecture
from mmpyramid.problems import Objective
from mmpyramid.training.settings import Settings


@dataclass(kw_only=True, slots=True)
class TrainConfig(Settings):
    """A run: the network, what it minimizes, and how.

    Raises:
        UserError: if a value makes no sense.

    Example:
        >>> from mmpyramid.models import HANConfig
        >>> from mmpyramid.training import GuidedObjective
        >>> config = TrainConfig(model=HANConfig(width=64), objective=GuidedObjective(), epochs=12)
        >>> config.to_dict()["model"]["architecture"]
        'han'
    """

    model: NetworkConfig
    """The network. Its labels are taken from the data."""
    objective: Objective
    """What is minimized."""

    def __post_init__(self) -> None:
        Settings.__post_init__(self)  # `super()` does not know classes with slots.
        problem = architecture(self.model.architecture).problem
        if problem != self.objective.problem:
            raise UserError(
                f"the network `{self.model.architecture}` is for {problem}, the objective "
                f"{type(self.objective).__name__} for {self.objective.problem}; choose one that "
                "fits"
            )

    def to_dict(self) -> dict[str, Any]:
        """The plain values that YAML or JSON gives back."""
        plain = {
            **asdict(self),
            "model": {"architecture": self.model.architecture, **self.model.to_dict()},
            "objective": {"name": type(self.objective).__name__, **asdict(self.objective)},
        }
        values: dict[str, Any] = json.loads(json.dumps(plain, default=str))
        return values

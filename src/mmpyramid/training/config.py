"""Everything that a training run depends on besides its data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mmpyramid.core.errors import UserError
from mmpyramid.models import NetworkConfig
from mmpyramid.models.registry import architecture
from mmpyramid.problems import Objective
from mmpyramid.training.schedules import Schedule


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """A run: the network, what it minimizes, and how.

    Raises:
        UserError: if a value makes no sense.
    """

    model: NetworkConfig
    """The network. Its labels are taken from the data."""
    objective: Objective
    """What is minimized."""
    epochs: int = 40
    """Passes over the training videos."""
    batch_size: int = 16
    """Videos per step (and per device)."""
    learning_rate: float = 1e-4
    """Initial learning rate of Adam."""
    schedule: Schedule = "tenth-every-10"
    """How the learning rate falls, by the number of epochs passed."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; 0 clips nothing."""
    ema_decay: float = 0.0
    """What a step keeps of the exponential moving average of the weights, 0.97 for instance; the
    average is validated and is the result. 0 averages nothing."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's network is the result: the best on the validation split, or the last."""
    seed: int = 1
    """Fixes the initial weights, the order of the videos and the dropout."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """`auto` is bf16 where the processor or GPU computes in it, else float32."""
    accelerator: str = "auto"
    """Lightning's accelerator: `auto`, `cpu`, `gpu`, ..."""
    devices: int | Literal["auto"] = "auto"
    """Lightning's number of devices."""
    num_nodes: int = 1
    """Lightning's number of machines."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "num_nodes"):
            if not 0 < getattr(self, name) < math.inf:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} should be above 0, got {getattr(self, name)}")
        if not 0 <= self.clip_norm < math.inf:
            raise UserError(f"--clip-norm should be 0 or more, got {self.clip_norm}")
        if self.seed < 0:
            raise UserError(f"--seed should be 0 or more, got {self.seed}")
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"--ema-decay should be 0 or more and below 1, got {self.ema_decay}")
        problem = architecture(self.model.architecture).problem
        if problem != self.objective.problem:
            raise UserError(
                f"the network `{self.model.architecture}` is for {problem}, the objective "
                f"{type(self.objective).__name__} for {self.objective.problem}; choose one that "
                "fits"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML or JSON."""
        architecture_and_model = {
            "architecture": self.model.architecture,
            **self.model.to_dict(),
        }
        objective = {"name": type(self.objective).__name__, **asdict(self.objective)}
        return {**asdict(self), "model": architecture_and_model, "objective": objective}

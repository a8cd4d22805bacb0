"""Everything that a training run depends on besides its data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mmpyramid.errors import UserError
from mmpyramid.models import MMPyramidConfig

Schedule = Literal["released", "paper", "constant"]


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """A run; the defaults are the recipe that the authors released for LLP.

    Raises:
        UserError: if a value makes no sense.
    """

    model: MMPyramidConfig = field(default_factory=MMPyramidConfig)
    """The network. Its labels are taken from the data."""
    epochs: int = 40
    """Passes over the training videos."""
    batch_size: int = 16
    """Videos per step (and per device)."""
    learning_rate: float = 1e-4
    """Initial learning rate of Adam."""
    schedule: Schedule = "released"
    """`released`: /10 after every 10 epochs (the code). `paper`: /5 after 10 epochs (the text)."""
    audio_smoothing: float = 1.0
    """How much of the weak label the audio stream's target keeps; 1 is no smoothing."""
    visual_smoothing: float = 0.9
    """How much of the weak label the visual stream's target keeps."""
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
            if getattr(self, name) <= 0:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} should be above 0, got {getattr(self, name)}")
        for name in ("audio_smoothing", "visual_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} should be within 0..1, got {getattr(self, name)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML or JSON."""
        plain = asdict(self)
        plain["model"]["labels"] = list(self.model.labels)
        plain["model"]["windows"] = list(self.model.windows)
        return plain


def learning_rate_factor(schedule: Schedule, epoch: int) -> float:
    """What the initial learning rate is multiplied with in an epoch, counted from 0.

    Source: `released` is the authors' code (a step of 0.1 after every 10 epochs); `paper` is their
    text ("degraded by a factor of 5 after 10 epochs"), read as one step.

    Example:
        >>> [learning_rate_factor("paper", epoch) for epoch in (0, 9, 10, 30)]
        [1.0, 1.0, 0.2, 0.2]
    """
    if schedule == "released":
        return float(0.1 ** (epoch // 10))
    if schedule == "paper":
        return 1.0 if epoch < 10 else 0.2
    return 1.0

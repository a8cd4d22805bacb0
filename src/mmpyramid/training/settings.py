"""The settings of any run; importable without torch, because help lists them."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from mmpyramid.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate falls: by a factor, regularly or at milestones.

    Raises:
        UserError: if a value makes no sense, or both `every` and `milestones` are given.

    Example:
        >>> halved = Schedule(factor=0.5, milestones=(10, 20))
        >>> [halved(epoch) for epoch in (0, 9, 10, 20)]
        [1.0, 1.0, 0.5, 0.25]
    """

    factor: float = 0.1
    """What the learning rate is multiplied by at each step; 1 keeps it constant."""
    every: int = 0
    """Number of epochs between steps; 0 if there are milestones."""
    milestones: tuple[int, ...] = ()
    """Numbers of finished epochs at which to step."""

    def __post_init__(self) -> None:
        if not 0 < self.factor < math.inf:
            raise UserError(f"--schedule.factor should be above 0, got {self.factor}")
        if self.every < 0:
            raise UserError(f"--schedule.every should be 0 or more, got {self.every}")
        increasing = all(
            a < b for a, b in zip((0, *self.milestones), self.milestones, strict=False)
        )
        if not increasing:
            raise UserError(
                "--schedule.milestones should be increasing numbers of epochs above 0, got "
                f"{' '.join(map(str, self.milestones))}"
            )
        if self.every and self.milestones:
            raise UserError(
                f"expected --schedule.every or --schedule.milestones, got both ({self.every} and "
                f"{' '.join(map(str, self.milestones))}); for milestones add --schedule.every 0, "
                "for regular steps add --schedule.milestones without numbers"
            )

    def __call__(self, epoch: int) -> float:
        """What the initial learning rate is multiplied by in an epoch, counted from 0."""
        steps = epoch // self.every if self.every else bisect_right(self.milestones, epoch)
        return float(self.factor**steps)


@dataclass(kw_only=True, slots=True)
class Settings:
    """How long, how fast and where a network is trained.

    Raises:
        UserError: if a value makes no sense.

    Example:
        >>> Settings(epochs=20).batch_size
        16
    """

    epochs: int = 40
    """Passes over the training videos."""
    batch_size: int = 16
    """Videos per step on each device."""
    learning_rate: float = 1e-4
    """Initial learning rate of Adam."""
    schedule: Schedule = Schedule(factor=0.1, every=10)
    """How the learning rate falls. The default is that of the released code of HAN, MA and
    MM-Pyramid; the paper says "degraded by a factor of 5 after 10 epochs"."""
    clip_norm: float = 0.0
    """Largest norm of the gradient; 0 turns clipping off."""
    ema_decay: float = 0.0
    """Decay of the exponential moving average of the weights at each step, for instance 0.97; the
    average is validated and is the result. 0 turns averaging off."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's network is the result: the best on the validation split, or the last."""
    seed: int = 1
    """Fixes the initial weights, the order of the videos and the dropout."""
    precision: Literal["auto", "32-true", "tf32", "bf16-mixed"] = "auto"
    """`auto` is bf16 where the processor or GPU computes in it, else float32; `tf32` is float32
    whose products are rounded to ten bits on an NVIDIA GPU."""
    device: Annotated[str, tyro.conf.arg(aliases=["--accelerator"])] = "auto"
    """Where to compute, as PyTorch names it; `auto` is CUDA where there is one, else the CPU."""
    devices: int | Literal["auto"] = 1
    """Number of devices (GPUs or processes) on each machine; `auto` takes all. The learning rate is
    not adapted to the larger global batch."""
    num_nodes: int = 1
    """Number of machines."""
    cuda_graph: Literal["auto", "on", "off"] = "auto"
    """Whether each step on a CUDA GPU is one graph: `auto` if that is possible and passes its test,
    `on` to fail otherwise, `off` never."""
    compile: bool = False
    """Let `torch.compile` write the kernels, which takes a minute or two at the start."""
    deterministic: bool = False
    """Use only algorithms that give the same bits in every run on one GPU; on a CPU all do."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "num_nodes"):
            if not 0 < getattr(self, name) < math.inf:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} should be above 0, got {getattr(self, name)}")
        if not 0 <= self.clip_norm < math.inf:
            raise UserError(f"--clip-norm should be 0 or more, got {self.clip_norm}")
        if self.devices != "auto" and self.devices < 1:
            raise UserError(f"--devices should be 1 or more, or auto, got {self.devices}")
        if self.seed < 0:
            raise UserError(f"--seed should be 0 or more, got {self.seed}")
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"--ema-decay should be 0 or more and below 1, got {self.ema_decay}")

"""What a network costs: its parameters, the arithmetic of a video, the time of a training step.

A time says nothing about another machine, so it is given as a ratio to the step of one of the
networks, whose steps are taken in turns with the others'.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmpyramid.datasets import Dataset
from mmpyramid.models import create_model
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.module import NetworkModule

ROUNDS = 5
"""Steps of each network that count; one more comes before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a network costs.

    Attributes:
        parameters: millions of them.
        flops: billions of operations that one video of the training's length takes, forwards; a
            multiplication and an addition are two.
        step: time of a training step beside that of the reference.
    """

    parameters: float
    flops: float
    step: float


def costs(
    configs: Mapping[str, TrainConfig], reference: str, train: Dataset, rounds: int = ROUNDS
) -> dict[str, Cost]:
    """What the networks of some runs cost, by name; steps are taken on the CPU in float32.

    Args:
        configs: the runs, by name.
        reference: name of the run whose step is 1.
        train: videos to take steps with; labels and length of the networks are theirs.
        rounds: steps of each network.
    """
    fitted = {
        name: replace(
            config,
            model=replace(config.model, labels=train.labels, context=train.num_segments),
        )
        for name, config in configs.items()
    }
    return {
        name: Cost(
            parameters=number_of_parameters(config) / 1e6,
            flops=number_of_operations(config) / 1e9,
            step=step_ratio(config, fitted[reference], train, rounds),
        )
        for name, config in fitted.items()
    }


def step_ratio(
    config: TrainConfig, reference: TrainConfig, train: Dataset, rounds: int = ROUNDS
) -> float:
    """Time of a run's training step beside that of another run; the median of steps in turns."""
    if config == reference:
        return 1.0
    own, other = _step(config, train), _step(reference, train)
    ratios = [_seconds(own) / _seconds(other) for _ in range(rounds + 1)]
    return statistics.median(ratios[1:])


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _step(config: TrainConfig, train: Dataset) -> Callable[[], object]:
    """A training step of a run, always with the same videos."""
    torch.manual_seed(config.seed)
    module = NetworkModule(config)
    optimizer = torch.optim.Adam(module.network.parameters(), lr=config.learning_rate)
    batch = train.batch(range(min(config.batch_size, len(train))))

    def step() -> None:
        optimizer.zero_grad()
        module.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def number_of_parameters(config: TrainConfig) -> int:
    """Of the network of a run.

    Example:
        >>> from mmpyramid.training.recipes import RECIPES
        >>> number_of_parameters(RECIPES["dam"]())
        1083981
    """
    with torch.device("meta"):
        network = create_model(config.model)
    return sum(parameter.numel() for parameter in network.parameters())


def number_of_operations(config: TrainConfig) -> int:
    """Floating-point operations of one video as long as those trained on, forwards.

    Products of matrices, convolutions and attention are counted, all else is little beside them.
    """
    network = create_model(config.model).eval()
    size = getattr(config.model, "map_size", None) or ()
    streams = {
        name: torch.zeros(
            1, config.model.context, *(size if name in config.model.visual_streams else ()), width
        )
        for name, width in config.model.inputs.widths.items()
    }
    counter = FlopCounterMode(display=False)
    # Other kinds of attention than the plain one have operators that are not counted on every CPU.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        network(streams)
    return counter.get_total_flops()

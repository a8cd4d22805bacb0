"""What a table measures beside the official numbers: what a network costs, which events it finds.

The cost is its parameters, the arithmetic of a video, and the time of a training step. A time says
nothing about another machine, so it is given as a ratio to the step of one of the networks, whose
steps are taken in turns with the others'.

Events are counted by their length: means over videos hide what a pyramid is for, as events of one
second stand beside events that fill the clip. An event counts as found if a predicted one of its
class and modality covers the same time, by an intersection over union of at least a half.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmpyramid.core.runs import Mask, Runs
from mmpyramid.datasets import Dataset
from mmpyramid.models import Network, create_model
from mmpyramid.problems import problem_named
from mmpyramid.problems.base import BATCH
from mmpyramid.problems.counts import match_events
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.module import NetworkModule

ROUNDS = 5
"""Steps of each network that count; one more comes before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a network costs.

    Attributes:
        parameters: millions of them.
        flops: millions of operations that one video of the training's length takes, forwards; a
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
            flops=number_of_operations(config) / 1e6,
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


LENGTHS = {
    "1-2 s": (1, 2),
    "3-5 s": (3, 5),
    "6-9 s": (6, 9),
    "10 s or more": (10, math.inf),
}
"""First and last length of each group."""
PRECISION = "precision"
OVERLAP = 0.5


def found_by_length(network: Network[Any, Any], dataset: Dataset) -> dict[str, float | None]:
    """The share of annotated events that a network finds, in per cent, by length.

    Args:
        network: decides as it was made to.
        dataset: a densely annotated split.

    Returns:
        By group of `LENGTHS`; None where no event is so long. `PRECISION` is the share of predicted
        events that are annotated, of any length.
    """
    lengths, found, right = [], [], []
    for predicted_TC, truth_TC in _masks(network, dataset):
        both = match_events(predicted_TC[None], truth_TC[None], OVERLAP)
        lengths.append(both.truth.length)
        found.append(both.truth_hit)
        right.append(both.predicted_hit)
    is_found, groups = np.concatenate(found), _groups(np.concatenate(lengths))
    return {name: _share(is_found[group]) for name, group in groups.items()} | {
        PRECISION: _share(np.concatenate(right))
    }


def annotated_by_length(dataset: Dataset) -> dict[str, int]:
    """How many annotated events there are in each group of `LENGTHS`."""
    lengths = [
        Runs.of(truth_TC).length
        for video_id in dataset.ids
        for truth_TC in dataset.truth(video_id).values()
    ]
    return {name: int(group.sum()) for name, group in _groups(np.concatenate(lengths)).items()}


def _groups(length: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """Which events are of each group."""
    return {name: (length >= first) & (length <= last) for name, (first, last) in LENGTHS.items()}


def _masks(network: Network[Any, Any], dataset: Dataset) -> Iterator[tuple[Mask, Mask]]:
    """What is decided and what is annotated, for every video and annotated modality."""
    problem = problem_named(network.problem)
    for start in range(0, len(dataset.ids), BATCH):
        ids = dataset.ids[start : start + BATCH]
        results = network.predict([dataset.item(video_id) for video_id in ids])
        for video_id, scores in zip(ids, results, strict=True):
            decided = problem.decide(scores, network.decoder)
            for modality, truth_TC in dataset.truth(video_id).items():
                yield _as_long(decided[modality], len(truth_TC)), truth_TC


def _as_long(mask_TC: Mask, length: int) -> Mask:
    """A mask cut to a number of segments, or with nothing in those that it lacks."""
    missing = max(0, length - len(mask_TC))
    return np.pad(mask_TC[:length], ((0, missing), (0, 0)))


def _share(is_hit: NDArray[np.bool_]) -> float | None:
    return 100 * float(is_hit.mean()) if len(is_hit) else None

"""How many annotated events a network finds, by their length.

Means over videos hide what a pyramid is for: events of one second stand beside events that fill
the clip. An event counts as found if a predicted one of its class and modality covers the same
time, by an intersection over union of at least a half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.runs import Mask
from mmpyramid.datasets import Dataset
from mmpyramid.models import Network
from mmpyramid.problems import problem_named
from mmpyramid.problems.base import BATCH
from mmpyramid.problems.parsing.metrics import match_events

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
    length, is_found = np.concatenate(lengths), np.concatenate(found)
    groups = {
        name: is_found[(length >= first) & (length <= last)]
        for name, (first, last) in LENGTHS.items()
    }
    return {name: _share(group) for name, group in groups.items()} | {
        PRECISION: _share(np.concatenate(right))
    }


def _masks(network: Network[Any, Any], dataset: Dataset) -> Iterator[tuple[Mask, Mask]]:
    """What is decided and what is annotated, for every video and annotated modality."""
    problem = problem_named(network.problem)
    for start in range(0, len(dataset.ids), BATCH):
        ids = dataset.ids[start : start + BATCH]
        results = network.predict([dataset.item(video_id) for video_id in ids])
        for video_id, scores in zip(ids, results, strict=True):
            decided = problem.decide(scores, network.decoder)
            for modality, truth_TC in dataset.truth(video_id).items():
                yield decided[modality], truth_TC


def _share(is_hit: NDArray[np.bool_]) -> float | None:
    return 100 * float(is_hit.mean()) if len(is_hit) else None

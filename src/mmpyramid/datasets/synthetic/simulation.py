"""How simulated features are made: class patterns, planted at some strength, under noise.

A feature vector is a sum of sparse patterns, one for each class and nuisance, weighted by how
active each is. What does not exceed a threshold is 0, which leaves features as sparse as real
VGGish. With difficulty h, a class that is there is active at 1 - 0.6 h to 1, and every class by
chance at (0.02 + 0.2 h) N(0, 1); 0.6 h of each activation leaks into the class it is paired with.

Shape letters: C classes, K classes and nuisances, D width; `...` segments, or segments and places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError

NUM_NUISANCES = 16
ACTIVE_SHARE = 0.15
"""Share of a pattern's dimensions that are not zero."""

NOISE_STD = 0.1
THRESHOLD = 0.55
SCALE = 0.6

Activations: TypeAlias = NDArray[np.floating[Any]]


def check_seed(seed: int) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        UserError: if it is negative.
    """
    if seed < 0:
        raise UserError(f"expected a seed of at least 0, got {seed}")


def check_parameters(
    sizes: Mapping[str, int], splits: Collection[str], seed: int, difficulty: float
) -> None:
    """Refuse what no corpus can be made with.

    Raises:
        UserError: if the difficulty is outside 0..1, a split is unknown, or a size or the seed is
            negative.
    """
    check_seed(seed)
    if not 0 <= difficulty <= 1:
        raise UserError(f"expected a difficulty within 0..1, got {difficulty}")
    wrong = [f"{name}={size}" for name, size in sizes.items() if name not in splits or size < 0]
    if wrong:
        raise UserError(
            f"expected numbers of videos of at least 0 for {', '.join(splits)}, got "
            f"{', '.join(wrong)}"
        )


def draw_patterns(num_classes: int, dim: int, rng: np.random.Generator) -> Activations:
    """(K, D) non-negative, mostly 0: a pattern for each class, then one for each nuisance."""
    active = rng.random((num_classes + NUM_NUISANCES, dim)) < ACTIVE_SHARE
    return active * rng.exponential(size=active.shape)


def draw_strengths(truth: NDArray[Any], difficulty: float, rng: np.random.Generator) -> Activations:
    """(..., C) how active each class is, where `truth` says how much of it is there, 0 to 1."""
    return truth * rng.uniform(1 - 0.6 * difficulty, 1, truth.shape)


def draw_latent(planted: Activations, difficulty: float, rng: np.random.Generator) -> Activations:
    """(..., K) how active all is: what was planted, (..., C), with chance, leaks and nuisances."""
    chance = (0.02 + 0.2 * difficulty) * rng.standard_normal(planted.shape)
    active = planted + chance
    num_classes = planted.shape[-1]
    partner = np.minimum(np.arange(num_classes) ^ 1, num_classes - 1)
    leaking = active + 0.6 * difficulty * active[..., partner]
    return np.concatenate([leaking, _draw_nuisances(planted.shape, rng)], axis=-1)


def _draw_nuisances(shape: tuple[int, ...], rng: np.random.Generator) -> Activations:
    """What else is in the video, (..., NUM_NUISANCES): constant over time, with some change."""
    scene = abs(rng.standard_normal((1, *shape[1:-1], NUM_NUISANCES)))
    change = rng.standard_normal((*shape[:-1], NUM_NUISANCES))
    return 0.15 * scene + 0.05 * abs(change)


def rectify(latent: Activations, patterns_KD: Activations, rng: np.random.Generator) -> Array:
    """(..., D) float32 features: the patterns at their activations, with noise and a threshold."""
    values = latent @ patterns_KD
    noise = rng.standard_normal(values.shape)
    return (SCALE * np.maximum(0, values + NOISE_STD * noise - THRESHOLD)).astype(np.float32)

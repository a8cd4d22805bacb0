"""Changes each detail of the reconstructions that can be read in two ways, and shows what it moves.

    python benchmarks/reconstructions.py --annotations AVE --seeds 3

Features are simulated, so every number is: accuracy on all test clips and on the subset whose event
is shorter than the clip, fully supervised, by the rule that the recipe is read by.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from timing import command, header, spread

from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.synthetic.simulated_ave import simulate_ave
from mmpyramid.experiments.tables import TABLES
from mmpyramid.problems import problem_named
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit
from mmpyramid.training.settings import Schedule

READINGS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "dam": (
        {"block": "transformer"},
        {"num_layers": 2},
        {"share_attention": True},
        {"scaled": True},
    ),
    "avrb": ({"fusion_residual": False}, {"keep_mean": False}),
    "avin": (
        {"bidirectional": False},
        {"spatial": "guided"},
        {"weighting": "channel"},
        {"inter_query": "mean"},
        {"keep_mean": True},
    ),
    "cman": (
        {"temperature": 1.0, "learn_temperature": False},
        {"self_attention": "scalar"},
        {"residual": False},
        {"fusion": "sum"},
    ),
    "avt": ({"intra_frame": False}, {"instance_attention": False}, {"memory": "inter"}),
    "mpn": ({"num_layers": 1}, {"joint_squeeze": False}, {"share_stem": False}),
}
"""The other readings of each recipe's network; the recipe itself is the first."""


@dataclass(kw_only=True)
class Settings:
    """What is trained."""

    annotations: Path | None = None
    """Folder with AVE's annotations; left out, random ones."""
    recipes: tuple[str, ...] = tuple(READINGS)
    """Which reconstructions."""
    train: int = 240
    """Training clips."""
    val: int = 100
    """Validation clips; the test split is whole."""
    width: int = 64
    """Width of the networks."""
    epochs: int = 12
    """Epochs of every run."""
    learning_rate: float = 1e-3
    """Of every run, constant."""
    seeds: int = 3
    """Runs of each reading."""


def main(settings: Settings) -> None:
    """Train every reading, and print its accuracy beside the recipe's own."""
    print(f"{header()}\n{settings}")
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        sizes = {"train": settings.train, "val": settings.val}
        simulate_ave(settings.annotations, data, sizes=sizes, seed=1)
        print("| recipe | reading | all | subset | change of all | of subset |")
        print("|---" * 6 + "|", flush=True)
        for recipe in settings.recipes:
            own: tuple[Sequence[float], Sequence[float]] | None = None
            for reading in ({}, *READINGS[recipe]):
                name = " ".join(f"{field} {value}" for field, value in reading.items())
                runs = [
                    train(recipe, reading, settings, data, Path(temporary) / recipe / name, seed)
                    for seed in range(1, settings.seeds + 1)
                ]
                every, subset = zip(*runs, strict=True)
                own = own or (every, subset)
                changes = [
                    spread(np.subtract(values, plain).tolist(), "+")
                    for values, plain in zip((every, subset), own, strict=True)
                ]
                cells = [f"`{recipe}`", name or "default", spread(every), spread(subset), *changes]
                print(f"| {' | '.join(cells)} |", flush=True)


def train(
    recipe: str, reading: Mapping[str, Any], settings: Settings, data: Path, out: Path, seed: int
) -> tuple[float, float]:
    """Train once; accuracy on all test clips and on the subset, per cent."""
    config = RECIPES[recipe]()
    config.model = replace(config.model, width=settings.width, **reading)
    config.epochs, config.batch_size, config.seed = settings.epochs, 16, seed
    config.learning_rate, config.schedule = settings.learning_rate, Schedule(factor=1, every=1)
    with contextlib.redirect_stderr(io.StringIO()):
        network = fit(config, data, out / str(seed), progress=False).load_network()
    test = open_dataset(data, "test", network.inputs, problem=network.problem)
    report = problem_named(network.problem).evaluate(network, test).to_dict()
    rule = next(row.rule for row in TABLES["1"].rows if recipe in row.recipes.values())
    return report["all"][rule], report["subset"][rule]


if __name__ == "__main__":
    command(Settings, main)

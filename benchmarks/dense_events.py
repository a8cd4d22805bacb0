"""Compares a detector of dense events with and without the pyramid as its neck, by length of event.

    python benchmarks/dense_events.py --train 300 --seeds 3

The corpus is simulated, in the layout of UnAV-100, and so is every number: videos of 20 to 60 s
with events of 1 to 30 s that overlap. A row of the features is the sum of what happens, each class
a direction, with noise that is new in each row and noise that stays for 2 s, about as long as the
shortest events; only its neighbourhood tells a segment apart.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from timing import command, header, spread

from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.unav import FRAMES_PER_ROW, FRAMES_PER_SECOND, STRIDE, SUFFIXES, WIDTHS
from mmpyramid.experiments.measured import LENGTHS, PRECISION, annotated_by_length, found_by_length
from mmpyramid.problems import problem_named
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit
from mmpyramid.training.settings import Schedule

CLASSES = tuple(f"class {number}" for number in range(1, 11))
STAYS = 6
"""Rows, about two seconds, for which a part of the noise stays."""


@dataclass(kw_only=True)
class Settings:
    """What is trained."""

    recipes: tuple[str, ...] = ("unav", "unav-plain")
    """Which detectors."""
    train: int = 300
    """Training videos; there are a third as many to validate on, and as many to test on."""
    noise: float = 0.5
    """How strong the noise of a column is, where a class is 1."""
    width: int = 64
    """Width of the network."""
    epochs: int = 15
    """Epochs of every run."""
    learning_rate: float = 1e-3
    """Of every run, constant."""
    seeds: int = 3
    """Runs of each detector."""


def simulate(folder: Path, settings: Settings) -> Path:
    """Write a corpus in the layout of UnAV-100."""
    random = np.random.default_rng(0)
    directions = {name: random.normal(size=(len(CLASSES), w)) for name, w in WIDTHS.items()}
    (folder / "av_features").mkdir(parents=True)
    database = {}
    sizes = {"train": settings.train, "validation": settings.train // 3, "test": settings.train}
    for subset, count in sizes.items():
        for number in range(count):
            name, duration = f"{subset}_{number}", round(float(random.uniform(20, 60)), 2)
            events = [plan(random, duration) for _ in range(random.integers(1, 7))]
            database[name] = {"duration": duration, "annotations": events, "subset": subset}
            num_rows = int((duration * FRAMES_PER_SECOND - FRAMES_PER_ROW) // STRIDE) + 1
            middle = (STRIDE * np.arange(num_rows) + FRAMES_PER_ROW / 2) / FRAMES_PER_SECOND
            happens = np.zeros((num_rows, len(CLASSES)))
            for event in events:
                start, end = event["segment"]
                happens[(start <= middle) & (middle < end), event["label_id"]] = 1
            for stream, suffix in SUFFIXES.items():
                # What looks like events: classes come and go, for 2 s, in the noise as well.
                staying = random.normal(size=(-(-num_rows // STAYS), len(CLASSES))).repeat(STAYS, 0)
                new = random.normal(size=(num_rows, len(CLASSES)))
                noise = settings.noise * (0.5 * staying[:num_rows] + new)
                values = (happens + noise) @ directions[stream]
                path = folder / "av_features" / f"{name}_{suffix}.npy"
                np.save(path, values.astype(np.float32))
    path = folder / "annotations" / "unav100_annotations.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"database": database}))
    return folder


def plan(random: np.random.Generator, duration: float) -> dict[str, object]:
    """An event of 1 s to 30 s, short ones as often as long ones."""
    length = min(float(np.exp(random.uniform(0, np.log(30)))), duration - 1)
    start = float(random.uniform(0, duration - length))
    label_id = int(random.integers(len(CLASSES)))
    return {"segment": [start, start + length], "label": CLASSES[label_id], "label_id": label_id}


def train(name: str, seed: int, data: Path, out: Path, settings: Settings) -> dict[str, float]:
    """Train once; the shown numbers of the test split."""
    config = RECIPES[name]()
    config.model.width, config.epochs, config.seed = settings.width, settings.epochs, seed
    config.learning_rate, config.schedule = settings.learning_rate, Schedule(factor=1, every=1)
    with contextlib.redirect_stderr(io.StringIO()):
        network = fit(config, data, out, progress=False).load_network()
    test = open_dataset(data, "test", network.inputs, problem=network.problem)
    report = problem_named(network.problem).evaluate(network, test).to_dict()
    found = found_by_length(network, test)
    shown = {name: report[name] for name in ("mAP@0.5", "mAP@0.9", "mAP")}
    return shown | {name: value or 0.0 for name, value in found.items()}


def main(settings: Settings) -> None:
    """Train each detector, and print how many events it finds of each length."""
    print(f"{header()}\n{settings}")
    with tempfile.TemporaryDirectory() as temporary:
        data = simulate(Path(temporary) / "data", settings)
        print(f"simulated test events: {annotated_by_length(open_dataset(data, 'test'))}")
        columns = ("mAP@0.5", "mAP@0.9", "mAP", *LENGTHS, PRECISION)
        print("| recipe | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
        for name in settings.recipes:
            rows = [
                train(name, seed, data, Path(temporary) / name / str(seed), settings)
                for seed in range(1, settings.seeds + 1)
            ]
            cells = [spread([row[column] for row in rows]) for column in columns]
            print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    command(Settings, main)

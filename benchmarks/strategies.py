"""Compares training strategies on simulated LLP: the gain of each over weak labels.

    python benchmarks/strategies.py --annotations LLP --train 1000 --seeds 3

Features are simulated, so every number is. The teachers are simulated as well: their margins are
the planted truth with noise, as strong as makes their labels, scored as predictions of the test
split, as good as VALOR's were published to be, or UWAV's with `--teachers uwav`. Half of the
variance is an error of the whole video, for teachers err about videos more than about seconds.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from timing import command, header, spread

from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.llp import Annotations, read_llp
from mmpyramid.datasets.synthetic.simulated import planted_truth, simulate_features
from mmpyramid.problems import problem_named
from mmpyramid.problems.parsing.metrics import parsing_report
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.settings import Schedule
from mmpyramid.training.strategies import STRATEGIES, strategy_named

PUBLISHED = {"valor": (80.5, 61.7), "uwav": (78.4, 74.5)}
"""Segment-level F of labels as predictions (UWAV, CVPR 2025, Table 3): heard, seen."""
Strength = NDArray[np.float64]
SHOWN = ("segment audio", "segment visual", "segment Type@AV", "event Type@AV")


def margins_of(truth_NTMC: NDArray[np.bool_], strength_M: Strength, seed: int) -> Strength:
    """The margins of a simulated teacher, (N, T, M, C)."""
    rng = np.random.default_rng(seed)
    num_videos, num_segments, *rest = truth_NTMC.shape
    noise = rng.normal(size=(num_videos, num_segments, *rest))
    noise += rng.normal(size=(num_videos, 1, *rest))
    margin: Strength = strength_M[:, None] * (truth_NTMC - 0.5) + noise / np.sqrt(2)
    return margin


def truth_of(annotations: Annotations, seed: int) -> NDArray[np.bool_]:
    """What was planted, (N, T, M, C)."""
    rows = [np.stack(planted_truth(annotations, row, seed), 1) for row in range(len(annotations))]
    return np.stack(rows)


def match_strength(test: Annotations, teachers: str, seed: int) -> Strength:
    """How strong the truth must be for labels as good as the published ones, (M,)."""
    truth = truth_of(test, seed)
    has_NC = test.weak[:, None] > 0
    low_M, high_M = np.zeros(2), np.full(2, 20.0)
    for _ in range(20):
        middle_M = (low_M + high_M) / 2
        hard = (margins_of(truth, middle_M, seed) > 0) & has_NC[:, :, None]
        report = parsing_report(hard[:, :, 0], hard[:, :, 1], *test.truth)
        found_M = np.array([report.segment.audio, report.segment.visual])
        is_low_M = found_M < PUBLISHED[teachers]
        low_M, high_M = np.where(is_low_M, middle_M, low_M), np.where(is_low_M, high_M, middle_M)
    print(f"simulated teachers: strength {low_M.round(2)}, test F {found_M.round(1)}")
    return low_M


def write_labels(folder: Path, train: Annotations, strength_M: Strength, seed: int) -> None:
    """Write the margins of the training videos."""
    margins = margins_of(truth_of(train, seed), strength_M, seed + 1)
    for index, side in enumerate(("audio", "visual")):
        (folder / side).mkdir(parents=True)
        for video_id, margin_TMC in zip(train.ids, margins, strict=True):
            np.save(folder / side / f"{video_id}.npy", margin_TMC[:, index].astype(np.float16))


@dataclass(kw_only=True)
class Settings:
    """What is trained."""

    annotations: Path | None = None
    """Folder with LLP's annotations; left out, random ones."""
    recipe: str = "llp"
    """Which parsing recipe."""
    strategies: tuple[str, ...] = ()
    """Which strategies, `plain` first; left out, all."""
    teachers: Literal["valor", "uwav"] = "valor"
    """Whose labels are as good as the simulated ones."""
    contrast: float | None = None
    """Weight of the contrastive loss instead of a strategy's own."""
    train: int = 1000
    """Training videos."""
    val: int = 200
    """Validation videos."""
    test: int = 400
    """Test videos."""
    width: int = 64
    """Width of the network."""
    epochs: int = 12
    """Epochs of every run."""
    batch_size: int | None = None
    """Videos of a batch; left out, the strategy's own, which are 128 for `jomold` and `coleaf`."""
    learning_rate: float = 1e-3
    """Of every run, constant."""
    seeds: int = 3
    """Runs of each strategy."""


def main(settings: Settings) -> None:
    """Train the recipe by each strategy, and print its numbers on the test split."""
    print(f"{header()}\n{settings}")
    with tempfile.TemporaryDirectory() as temporary:
        data, labels = Path(temporary) / "data", Path(temporary) / "labels"
        sizes = {"train": settings.train, "val": settings.val, "test": settings.test}
        simulate_features(settings.annotations, data, sizes=sizes)
        strength_M = match_strength(read_llp(data, "test"), settings.teachers, seed=0)
        write_labels(labels, read_llp(data, "train"), strength_M, seed=0)
        print("| strategy | " + " | ".join(SHOWN) + " | gain |\n" + "|---" * 6 + "|")
        plain: list[float] = []
        for name in settings.strategies or tuple(STRATEGIES):
            runs = [Path(temporary) / name / str(seed) for seed in range(settings.seeds)]
            rows = [train(name, settings, data, labels, out) for out in runs]
            plain = plain or [row[2] for row in rows]
            cells = [spread([row[column] for row in rows]) for column in range(len(SHOWN))]
            gain = spread([row[2] - base for row, base in zip(rows, plain, strict=True)])
            print(f"| `{name}` | " + " | ".join(cells) + f" | {gain} |", flush=True)


def train(name: str, settings: Settings, data: Path, labels: Path, out: Path) -> list[float]:
    """Train once, with the seed that the folder is called by; the numbers of `SHOWN`."""
    config = strategy_named(name).configure(RECIPES[settings.recipe]())
    config.model.width, config.epochs = settings.width, settings.epochs
    config.learning_rate, config.schedule = settings.learning_rate, Schedule(factor=1, every=1)
    config.batch_size = settings.batch_size or config.batch_size
    config.seed = int(out.name) + 1
    if hasattr(config.objective, "segment_labels"):
        config.objective.segment_labels = labels
    if settings.contrast is not None and hasattr(config.objective, "contrast"):
        config.objective.contrast = settings.contrast
    with contextlib.redirect_stderr(io.StringIO()):
        network = strategy_named(name).fit(config, data, out).load_network()
    dataset = open_dataset(data, "test", network.inputs, problem=network.problem)
    report = problem_named(network.problem).evaluate(network, dataset)
    segment, event = report.segment, report.event
    return [segment.audio, segment.visual, segment.type_av, event.type_av]


if __name__ == "__main__":
    command(Settings, main)

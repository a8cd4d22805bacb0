"""`mmpyramid train`: a recipe, a corpus, a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mmpyramid.cli._options import OptionalPath, console, simulated
from mmpyramid.cli._recipes import parse_command
from mmpyramid.models.checkpoint import read_description
from mmpyramid.problems import problem_named
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import RECIPES

if TYPE_CHECKING:
    from mmpyramid.training.run import Run


@dataclass(kw_only=True, slots=True)
class Command:
    """Train a network on the split `train`, keep the best on `val`.

    Example: mmpyramid train llp --data LLP --out runs/llp --epochs 40
    """

    data: Path
    """Corpus folder: annotations, with the features."""
    out: Path
    """Folder of the run: `model/` (the best network), `config.yaml`, `last.ckpt`, a log."""
    features: OptionalPath = None
    """Where the features are, if not in the corpus folder."""
    refined: OptionalPath = None
    """Modality-aware labels of the training videos, as `mmpyramid refine` writes them (parsing)."""
    resume: bool = False
    """Go on after the last finished epoch of the run in `--out`."""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    """Every field of the recipe can be changed."""


def main(words: list[str]) -> int:
    """Run the command."""
    command = parse_command(Command, "train", words, RECIPES)
    return command if isinstance(command, int) else train(command)


def train(command: Command) -> int:
    """Train, and tell where the network is and what it reached."""
    from pytorch_lightning.utilities import rank_zero_only

    from mmpyramid.training.run import fit

    run = fit(
        command.config,
        command.data,
        command.out,
        features=command.features,
        refined=command.refined,
        resume=command.resume,
    )
    rank_zero_only(_tell)(command, run)
    return 0


def _tell(command: Command, run: Run) -> None:
    """Tell where everything is."""
    metrics = read_description(run.model)["metrics"]
    problem = problem_named(command.config.objective.problem)
    features = f" --features {command.features}" if command.features else ""
    console().print(
        f"{command.config.keep} epoch {metrics['epoch']}: "
        f"{simulated(command.data, command.features)}validation {problem.selection_title} "
        f"{metrics[f'val/{problem.selection}']:.2f}\n"
        f"network         {run.model}\n"
        f"configuration   {run.config}\n"
        f"log             {run.log}   (tensorboard --logdir {run.log})\n"
        f"score it with   mmpyramid evaluate {run.model} --data {command.data}{features}"
    )

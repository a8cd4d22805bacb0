"""`mmpyramid train`: a recipe, a corpus, a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mmpyramid.cli._options import OptionalPath, console, simulated
from mmpyramid.errors import UserError
from mmpyramid.models.checkpoint import read_description
from mmpyramid.recipes import RECIPES
from mmpyramid.training.config import TrainConfig

if TYPE_CHECKING:
    from mmpyramid.training.run import Run


@dataclass(kw_only=True, slots=True)
class Command:
    """Train a network on the split `train`, keep the best on `val`.

    Example: mmpyramid train llp --data LLP --out runs/llp --epochs 40
    """

    data: Path
    """Corpus folder: annotations in the LLP layout, with `features/` or `feats/`."""
    out: Path
    """Folder of the run: `model/` (the best network), `config.yaml`, `last.ckpt`, a log."""
    features: OptionalPath = None
    """Where the features are, if not in the corpus folder."""
    resume: bool = False
    """Go on after the last finished epoch of the run in `--out`."""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    """Every field of the recipe can be changed."""


def main(words: list[str]) -> int:
    """Run the command."""
    known = "\n".join(f"  {name:<10} {_summary(recipe)}" for name, recipe in RECIPES.items())
    usage = f"usage: mmpyramid train RECIPE --data DIR --out RUN [options]\n\nrecipes:\n{known}\n"
    if not words or words[0] in {"-h", "--help"}:
        console().print(usage + "\nexample:\n  mmpyramid train llp --data LLP --out runs/llp")
        return 0 if words else 2
    name, *rest = words
    if name not in RECIPES:
        raise UserError(f"there is no recipe `{name}`; known are {', '.join(RECIPES)}")
    default = Command(data=tyro.MISSING, out=tyro.MISSING, config=RECIPES[name]())
    command = tyro.cli(Command, prog=f"mmpyramid train {name}", args=rest, default=default)
    if command.config.model.labels != default.config.model.labels:
        raise UserError("--model.labels comes from the data: list labels in its `labels.txt`")
    return train(command)


def train(command: Command) -> int:
    """Train, and tell where the network is and what it reached."""
    from pytorch_lightning.utilities import rank_zero_only

    from mmpyramid.training.run import fit

    run = fit(
        command.config,
        command.data,
        command.out,
        features=command.features,
        resume=command.resume,
    )
    rank_zero_only(_tell)(command, run)
    return 0


def _tell(command: Command, run: Run) -> None:
    """Tell where everything is."""
    metrics = read_description(run.model)["metrics"]
    features = f" --features {command.features}" if command.features else ""
    console().print(
        f"best epoch {metrics['epoch']}: {simulated(command.data, command.features)}validation "
        f"segment-level Type@AV {metrics['val/segment_type_av']:.2f}\n"
        f"network         {run.model}\n"
        f"configuration   {run.config}\n"
        f"log             {run.log}   (tensorboard --logdir {run.log})\n"
        f"score it with   mmpyramid evaluate {run.model} --data {command.data}{features}"
    )


def _summary(recipe: object) -> str:
    return (recipe.__doc__ or "").strip().splitlines()[0]

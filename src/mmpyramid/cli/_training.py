"""Runs of `mmpyramid train` and `mmpyramid refine`, and their flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro
from rich.table import Table

from mmpyramid.cli._options import OptionalPath, Output, OutputFlags, console, simulated
from mmpyramid.cli.main import check_given_once, lines_joined
from mmpyramid.core.errors import UserError
from mmpyramid.core.progress import progress
from mmpyramid.core.text import read_json
from mmpyramid.datasets import is_simulated
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.refined import read_refined
from mmpyramid.datasets.synthetic.simulated import judge_removals, planted_modalities
from mmpyramid.models.checkpoint import read_description
from mmpyramid.problems import problem_named
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.strategies import STRATEGIES, Fit, strategy_named
from mmpyramid.training.strategies.registry import one_run

if TYPE_CHECKING:
    from mmpyramid.training.modality_aware import RefinedRun
    from mmpyramid.training.run import Run


@dataclass(kw_only=True, slots=True)
class Train:
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
    strategy: Annotated[
        str,
        tyro.conf.arg(
            help="How to train; `--code` adds others. "
            + "; ".join(f"{name}: {each.summary}" for name, each in STRATEGIES.items())
        ),
    ] = "plain"
    resume: bool = False
    """Go on after the last finished epoch of the run in `--out`."""
    output: OutputFlags = field(default_factory=Output)
    """How much is said."""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    """Every field of the recipe can be changed."""


@dataclass(kw_only=True, slots=True)
class Refine:
    """Train, refine the labels by exchanging tracks, train again: the MA strategy (CVPR 2021).

    The refined labels are a readable file, `refined_labels.tsv`, which other code can use too.

    Example: mmpyramid refine han-ma --data LLP --out runs/han-ma
    """

    data: Path
    """Corpus folder: annotations in the LLP layout, with `features/` or `feats/`."""
    out: Path
    """Folder of the run: `base/`, `refined_labels.tsv`, `refinement.json`, `retrained/`."""
    features: OptionalPath = None
    """Where the features are, if not in the corpus folder."""
    resume: bool = False
    """Go on where the run in `--out` stopped, in whichever step."""
    output: OutputFlags = field(default_factory=Output)
    """How much is said."""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    """Every field of the recipe can be changed."""


Command = TypeVar("Command", Train, Refine)


def train(args: list[str]) -> int:
    """Run `mmpyramid train` with the arguments after it."""
    # Help and mistakes come before what takes seconds to import.
    command = _parse(Train, "train", args)

    from pytorch_lightning.utilities import rank_zero_only

    from mmpyramid.training.run import fit

    train_by: Fit = strategy_named(command.strategy).fit
    if command.refined:
        if train_by is not one_run:
            raise UserError(
                f"--refined is for one run on these labels, not for --strategy {command.strategy}; "
                "leave one of them out"
            )
        train_by = partial(fit, refined=command.refined)
    run = train_by(
        command.config,
        command.data,
        command.out,
        features=command.features,
        resume=command.resume,
    )
    files = {
        "network": run.model,
        "configuration": run.config,
        "log": f"{run.log}   (tensorboard --logdir {run.log})",
    }
    rank_zero_only(_report)(command, run, files)
    return 0


def refine(args: list[str]) -> int:
    """Run `mmpyramid refine` with the arguments after it."""
    command = _parse(Refine, "refine", args)

    from pytorch_lightning.utilities import rank_zero_only

    from mmpyramid.training.modality_aware import fit_modality_aware

    with progress("refine") as update:
        run = fit_modality_aware(
            command.config,
            command.data,
            command.out,
            features=command.features,
            resume=command.resume,
            on_refine=update,
        )
    rank_zero_only(_report_removals)(command.data, run)
    files = {"refined labels": run.labels, "network": run.retrained.model}
    rank_zero_only(_report)(command, run.retrained, files)
    return 0


def _parse(command: type[Command], name: str, args: list[str]) -> Command:
    """Read a recipe's name and the flags after it.

    Args:
        command: a dataclass with the fields `data`, `out` and `config`.
        name: of the program's command.
        args: the arguments after it.

    Raises:
        UserError: if there is no such recipe, a flag is given twice, or one changes what comes
            from the data.
    """
    chosen, *rest = args
    check_given_once(rest)
    if chosen not in RECIPES:
        raise UserError(f"there is no recipe `{chosen}`; known are {', '.join(RECIPES)}")
    recipe = RECIPES[chosen]()
    if command is Train:
        recipe = strategy_named(_value_of("--strategy", rest) or "plain").configure(recipe)
    default = command(data=tyro.MISSING, out=tyro.MISSING, config=recipe)
    with lines_joined(rest, command, *_classes(recipe)):
        filled = tyro.cli(command, prog=f"mmpyramid {name} {chosen}", args=rest, default=default)
    filled.output.apply()
    model = filled.config.model
    if model.labels != recipe.model.labels:
        raise UserError("--model.labels comes from the data: list labels in its `labels.txt`")
    if model.context != recipe.model.context:
        raise UserError("--model.context comes from the data: it is the length of its videos")
    return filled


def _classes(settings: Any) -> Iterator[type]:
    """The dataclasses that settings are made of."""
    if is_dataclass(settings):
        yield type(settings)
        for each in fields(settings):
            yield from _classes(getattr(settings, each.name))


def _value_of(flag: str, args: list[str]) -> str | None:
    """The last value of a flag, which decides what other flags there are."""
    pairs = zip(args, [*args[1:], ""], strict=True)
    values = [
        value if arg == flag else arg.partition("=")[2]
        for arg, value in pairs
        if arg == flag or arg.startswith(f"{flag}=")
    ]
    return values[-1] if values else None


def _report(command: Train | Refine, run: Run, files: Mapping[str, object]) -> None:
    """Print what the network reached, and where the files are."""
    metrics = read_description(run.model)["metrics"]
    problem = problem_named(command.config.objective.problem)
    features = f" --features {command.features}" if command.features else ""
    lines = {
        **files,
        "score it with": f"mmpyramid evaluate {run.model} --data {command.data}{features}",
    }
    console().print(
        f"{command.config.keep} epoch {metrics['epoch']}: "
        f"{simulated(command.data, command.features)}validation {problem.selection_title} "
        f"{metrics[f'val/{problem.selection}']:.2f}\n"
        + "\n".join(f"{name:<16}{value}" for name, value in lines.items())
    )


def _report_removals(data: Path, run: RefinedRun) -> None:
    """Print how many labels were removed and, of simulated corpora, how many of them rightly."""
    from mmpyramid.training.modality_aware import Summary

    classes = read_json(run.summary, Summary, "the summary of a refinement").classes
    table = Table("labels removed", box=None, pad_edge=False)
    for name in ("videos", "audio", "visual"):
        table.add_column(name, justify="right")
    counts: dict[str, tuple[int, ...]] = {
        label: (found.videos, found.removed_audio, found.removed_visual)
        for label, found in classes.items()
    }
    counts["all classes"] = tuple(map(sum, zip(*counts.values(), strict=True)))
    for label, row in counts.items():
        table.add_row(label, *map(str, row))
    console().print(table)
    if is_simulated(data):
        annotations = read_llp(data, "train")
        planted = planted_modalities(data, annotations)
        refined = read_refined(run.labels, annotations)
        audio, visual = judge_removals(annotations.weak, refined, planted)
        console().print(
            f"against what was planted (simulated)\n  audio   {audio}\n  visual  {visual}"
        )

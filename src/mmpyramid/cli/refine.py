"""`mmpyramid refine`: the MA strategy in its three steps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from mmpyramid.cli._options import OptionalPath, console, progress_bar, simulated
from mmpyramid.cli._recipes import parse_command
from mmpyramid.datasets import is_simulated
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.planted import judge_removals, planted_modalities
from mmpyramid.datasets.refined import read_refined
from mmpyramid.models.checkpoint import read_description
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import RECIPES

REFINABLE = {
    name: recipe for name, recipe in RECIPES.items() if recipe().objective.reads_modalities
}
"""Recipes whose loss reads the labels that this strategy makes."""


@dataclass(kw_only=True, slots=True)
class Command:
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
    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    """Every field of the recipe can be changed."""


def main(words: list[str]) -> int:
    """Run the command."""
    command = parse_command(Command, "refine", words, REFINABLE)
    return command if isinstance(command, int) else refine(command)


def refine(command: Command) -> int:
    """Run the three steps, and tell what became of the labels."""
    from mmpyramid.training.modality_aware import fit_modality_aware

    with progress_bar("refine") as update:
        run = fit_modality_aware(
            command.config,
            command.data,
            command.out,
            features=command.features,
            resume=command.resume,
            on_refine=update,
        )
    summary = json.loads(run.summary.read_text(encoding="utf-8"))
    metrics = read_description(run.retrained.model)["metrics"]
    features = f" --features {command.features}" if command.features else ""
    kind = simulated(command.data, command.features)
    judged = _judged(command.data, run.labels) if is_simulated(command.data) else ""
    console().print(
        f"{_removed(summary)}\n{judged}"
        f"{command.config.keep} epoch {metrics['epoch']}: {kind}validation segment-level Type@AV "
        f"{metrics['val/segment_type_av']:.2f}\n"
        f"refined labels  {run.labels}\n"
        f"network         {run.retrained.model}\n"
        f"score it with   mmpyramid evaluate {run.retrained.model} --data {command.data}{features}"
    )
    return 0


def _judged(data: Path, labels: Path) -> str:
    """How right the removals are; simulated corpora know."""
    annotations = read_llp(data, "train")
    refined = read_refined(labels, annotations)
    planted = planted_modalities(data, annotations)
    audio, visual = judge_removals(annotations.weak, refined, planted)
    return f"against what was planted (simulated)\n  audio   {audio}\n  visual  {visual}\n"


def _removed(summary: dict[str, Any]) -> str:
    """A table of how many labels were removed, by class and modality."""
    classes = summary["classes"]
    width = max(map(len, (*classes, "all classes")))
    lines = [f"{'labels removed':<{width}}{'videos':>9}{'audio':>9}{'visual':>9}"]
    counts = {
        label: (found["videos"], found["removed_audio"], found["removed_visual"])
        for label, found in classes.items()
    }
    videos, audio, visual = (sum(column) for column in zip(*counts.values(), strict=True))
    counts["all classes"] = (videos, audio, visual)
    lines += [
        f"{label:<{width}}" + "".join(f"{count:>9}" for count in row)
        for label, row in counts.items()
    ]
    return "\n".join(lines)

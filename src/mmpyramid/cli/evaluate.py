"""`mmpyramid evaluate`: the official numbers of a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import (
    OptionalPath,
    console,
    resolve_device,
    run,
    simulated,
    write_json,
)
from mmpyramid.errors import UserError
from mmpyramid.models import ParsingConfig, load_pretrained

Gate = Literal["global", "per_modality"]


def main(words: list[str]) -> int:
    """Run the command."""
    return run(evaluate, "evaluate", words)


def evaluate(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    /,
    *,
    data: Path,
    split: Literal["val", "test"] = "test",
    features: OptionalPath = None,
    gate: Annotated[
        Gate | None, tyro.conf.arg(help_behavior_hint="(default: the network's own)")
    ] = None,
    json: OptionalPath = None,
    predictions: OptionalPath = None,
    device: str = "auto",
) -> int:
    """Score a network on a densely annotated split, beside trivial references.

    A parsing network gets the ten F-scores of LLP, a localization network the accuracies of AVE, by
    both rules in use, on all clips and on those whose event is shorter than the clip.

    Example: mmpyramid evaluate runs/llp/model --data LLP --json test.json

    Args:
        model: Checkpoint folder or hub id.
        data: Corpus folder: annotations in the LLP or AVE layout, with the features.
        split: Which split.
        features: Where the features are, if not in the corpus folder.
        gate: Which video-level probability a segment also needs, in parsing: `global` (HAN,
            MM-Pyramid) or `per_modality` (MA).
        json: Write the numbers here.
        predictions: Write all probabilities here (.npz), for `mmpyramid score` (parsing).
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
    """
    from mmpyramid.training.tasks import TASKS

    network = load_pretrained(model).to(resolve_device(device))
    if isinstance(network.config, ParsingConfig):
        network.config.gate = gate or network.config.gate
    elif gate or predictions:
        raise UserError("--gate and --predictions are for parsing networks; this one localizes")
    task = TASKS[network.task]
    corpus = task.open(data, split, network.config, features=features)
    report = task.evaluate(network, corpus)
    title = f"{data}: {simulated(data, features)}{split}, {len(corpus)} videos, per cent"
    reports = {Path(model).name: report, **task.references(data, split)}
    console().print(task.table(reports, title))
    if json:
        write_json(json, report.to_dict())
    if predictions:
        from mmpyramid.training.evaluate import predict_corpus

        predictions.parent.mkdir(parents=True, exist_ok=True)
        predict_corpus(network, corpus).save(predictions)
    return 0

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
from mmpyramid.data.corpus import Corpus, open_source
from mmpyramid.data.llp import read_llp
from mmpyramid.metrics import comparison_table
from mmpyramid.models import load_pretrained
from mmpyramid.training.evaluate import beside_references, predict_corpus, report_of


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
    gate: Literal["global", "per_modality"] = "global",
    json: OptionalPath = None,
    predictions: OptionalPath = None,
    device: str = "auto",
) -> int:
    """Score a network on a densely annotated split, beside two trivial references.

    Example: mmpyramid evaluate runs/llp/model --data LLP --json test.json

    Args:
        model: Checkpoint folder or hub id.
        data: Corpus folder: annotations in the LLP layout, with `features/` or `feats/`.
        split: Which split.
        features: Where the features are, if not in the corpus folder.
        gate: Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid) or
            `per_modality` (MA).
        json: Write the ten numbers here.
        predictions: Write all probabilities here (.npz), for `mmpyramid score`.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
    """
    network = load_pretrained(model).to(resolve_device(device))
    annotations = read_llp(data, split)
    corpus = Corpus(annotations, open_source(data, features), network.inputs)
    predicted = predict_corpus(network, corpus)
    report = report_of(predicted, corpus, gate)
    rows = beside_references(Path(model).name, report, annotations)
    kind = simulated(data, features)
    title = f"{data}: {kind}{split}, {len(corpus)} videos, F-scores in per cent"
    console().print(comparison_table(rows, title))
    if json:
        write_json(json, report.to_dict())
    if predictions:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predicted.save(predictions)
    return 0

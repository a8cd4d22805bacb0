"""`mmpyramid evaluate`: the official numbers of a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import console, run, write_json
from mmpyramid.data.corpus import Corpus, open_source
from mmpyramid.data.llp import read_llp
from mmpyramid.data.simulated import is_simulated
from mmpyramid.metrics import comparison_table, nothing_predicted, weak_labels_everywhere
from mmpyramid.models import load_pretrained
from mmpyramid.training.evaluate import predict_corpus, report_of


def main(words: list[str]) -> int:
    """Run the command."""
    return run(evaluate, "evaluate", words)


def evaluate(
    model: Annotated[str, tyro.conf.Positional],
    /,
    *,
    data: Path,
    split: Literal["val", "test"] = "test",
    features: Path | None = None,
    gate: Literal["global", "per_modality"] = "global",
    json: Path | None = None,
    predictions: Path | None = None,
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
    """
    network = load_pretrained(model)
    annotations = read_llp(data, split, labels=None)
    source = open_source(data, features)
    corpus = Corpus(annotations, source, network.inputs)
    predicted = predict_corpus(network, corpus)
    report = report_of(predicted, corpus, gate)
    assert annotations.audio is not None
    assert annotations.visual is not None
    truth = annotations.audio, annotations.visual
    rows = {
        Path(model).name: report,
        "weak labels on all segments": weak_labels_everywhere(annotations.weak, *truth),
        "nothing": nothing_predicted(*truth),
    }
    kind = "simulated features, " if is_simulated(data) else ""
    title = f"{data}: {kind}{split}, {len(corpus)} videos, F-scores in per cent"
    console().print(comparison_table(rows, title))
    if json:
        write_json(json, report.to_dict())
    if predictions:
        predicted.save(predictions)
    return 0

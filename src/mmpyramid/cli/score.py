"""`mmpyramid score`: the official numbers of anybody's predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import OptionalPath, console, run, simulated, write_json
from mmpyramid.datasets.llp import read_llp
from mmpyramid.problems import Gate
from mmpyramid.problems.parsing import score_predictions
from mmpyramid.problems.parsing.predictions import predicted_ids


def main(words: list[str]) -> int:
    """Run the command."""
    return run(score, "score", words)


def score(
    predictions: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    labels: Path,
    split: Literal["val", "test"] = "test",
    gate: Gate = "global",
    threshold: float = 0.5,
    video_threshold: float = 0.5,
    json: OptionalPath = None,
) -> int:
    """Score predictions of any system on LLP with the official numbers.

    Example: mmpyramid score predictions.npz --labels LLP --split test

    Args:
        predictions: .npz with `ids` (N,), `audio` and `visual` (N, T, C), `video` (N, C), all
            probabilities, videos in any order; `video_audio` and `video_visual` (N, C) too for the
            gate `per_modality`, and `mask` (N, T), 0 beyond the end of a video. An id is the 11
            characters or the name `<id>_<start>_<end>`.
        labels: Folder of the annotation files.
        split: Which split.
        gate: Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid),
            `per_modality` (MA) or `none`.
        threshold: Segments from this probability on count as positive.
        video_threshold: The same for videos.
        json: Write the ten numbers here.
    """
    annotations = read_llp(labels, split)
    named_in_full = not predicted_ids(predictions).isdisjoint(annotations.names)
    report = score_predictions(
        predictions,
        annotations.names if named_in_full else annotations.ids,
        *annotations.truth,
        gate=gate,
        threshold=threshold,
        video_threshold=video_threshold,
    )
    title = f"{simulated(labels)}{split}, {len(annotations)} videos, F-scores in per cent"
    console().print(report.table(f"{predictions}: {title}"))
    if json:
        write_json(json, report.to_dict())
    return 0

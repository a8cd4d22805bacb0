"""`mmpyramid evaluate` and `mmpyramid score`: official numbers of networks and of predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import (
    OptionalPath,
    autocast_to,
    console,
    resolve_device,
    simulated,
    write_json,
)
from mmpyramid.cli.predict import SIMULATED
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file, check_output_folder
from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.llp import read_llp
from mmpyramid.extract.corpus import find_videos
from mmpyramid.models import load_pretrained
from mmpyramid.problems import Gate, problem_named
from mmpyramid.problems.parsing import read_predictions


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is written, if anything."""

    json: OptionalPath = None
    """Write the numbers here."""
    predictions: OptionalPath = None
    """Write all probabilities here (.npz), for `mmpyramid score` (parsing)."""
    pages: OptionalPath = None
    """Write a page for each video, and a sortable table of all, into this folder."""
    videos: OptionalPath = None
    """Folder of the videos, called by their ids: pages play them, the table shows pictures."""

    def check(self) -> None:
        """Check that all of it can be written.

        Raises:
            UserError: if it cannot.
        """
        for path in filter(None, (self.json, self.predictions)):
            check_output_file(path)
        if self.pages:
            check_output_folder(self.pages)

    def find_videos(self) -> dict[str, Path]:
        """The videos by id.

        Raises:
            UserError: if there are none, or no pages that they could be on.
        """
        if self.videos is None:
            return {}
        if self.pages is None:
            raise UserError("--videos is for the pages: give the folder to write them to, --pages")
        return find_videos(self.videos)


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
    outputs: Annotated[Outputs, tyro.conf.arg(name="")] = Outputs(),
    precision: Literal["float32", "bfloat16"] = "float32",
    device: str = "auto",
) -> int:
    """Score a network on a densely annotated split, beside trivial references.

    A parsing network gets the ten F-scores of LLP, a localization network the accuracies of AVE, by
    both rules in use, on all clips and on those whose event is shorter than the clip. With
    `--pages`, every video gets a page beside its truth, and a table sorts them by their scores.

    Example: mmpyramid evaluate runs/llp/model --data LLP --pages pages --videos LLP/videos

    Args:
        model: Checkpoint folder or hub id.
        data: Corpus folder: annotations, with the features.
        split: Which split.
        features: Where the features are, if not in the corpus folder.
        gate: Which video-level probability a segment also needs, in parsing: `global` (HAN,
            MM-Pyramid), `per_modality` (MA) or `none`.
        outputs: What is written.
        precision: Number format of the matrix products. bfloat16 is two to three times faster where
            the processor knows it, and moves probabilities by up to 0.02.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
    """
    outputs.check()
    videos = outputs.find_videos()
    device = resolve_device(device)
    network = load_pretrained(model).to(device)
    problem, decoder = problem_named(network.problem), network.decoder
    if gate and "gate" not in problem.settings:
        raise UserError("--gate is for parsing networks; this one localizes")
    decoder = replace(decoder, gate=gate or decoder.gate)
    corpus = open_dataset(data, split, network.inputs, problem=problem.name, features=features)
    with autocast_to(precision, device):
        report = problem.evaluate(network, corpus, decoder, predictions=outputs.predictions)
        title = f"{data}: {simulated(data, features)}{split}, {len(corpus)} videos, per cent"
        name, references = Path(model).resolve().name, problem.references(corpus)
        reports = {f"{name} (network)" if name in references else name: report, **references}
        console().print(problem.table(reports, title))
        if outputs.json:
            write_json(outputs.json, report.to_dict())
        if outputs.pages:
            from mmpyramid.cli._pages import SplitPages

            pages = SplitPages(
                network=network,
                dataset=corpus,
                decoder=decoder,
                folder=outputs.pages,
                videos=videos,
                model=model,
                notes=(SIMULATED,) if simulated(data, features) else (),
            )
            console().print(
                f"pages  {pages.write(f'{data.resolve().name}, {split}')}   (open it in a browser)"
            )
    return 0


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
            gate `per_modality`, and `mask` (N, T), 0 beyond the end of a video. An id is that of
            the features, or the name `<id>_<start>_<end>`.
        labels: Folder of the annotation files.
        split: Which split.
        gate: Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid),
            `per_modality` (MA) or `none`.
        threshold: Segments from this probability on count as positive.
        video_threshold: The same for videos.
        json: Write the ten numbers here.
    """
    if json:
        check_output_file(json)
    annotations = read_llp(labels, split)
    shape = (annotations.num_segments, len(annotations.labels))
    predicted = read_predictions(predictions, annotations.ids, shape, names=annotations.names)
    report = predicted.report(
        *annotations.truth, gate=gate, threshold=threshold, video_threshold=video_threshold
    )
    title = f"{simulated(labels)}{split}, {len(annotations)} videos, F-scores in per cent"
    console().print(report.table(f"{predictions}: {title}"))
    if json:
        write_json(json, report.to_dict())
    return 0

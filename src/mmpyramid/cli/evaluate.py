"""`mmpyramid evaluate`: official numbers of networks.

`--pages` also writes a page for each video, and one that lists them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import tyro

from mmpyramid.cli._options import (
    OPTIONAL,
    NumbersOutput,
    OptionalPath,
    check_output_files,
    console,
    simulated,
    write_file,
    write_json,
)
from mmpyramid.cli.predict import SIMULATED, predict_items
from mmpyramid.core import AnyScores, Timeline
from mmpyramid.core.device import resolve_device, use_float32
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder
from mmpyramid.core.progress import progress
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.extract.search import Inspector, find_videos
from mmpyramid.problems import Decoder, Gate, annotated, problem_named, rasterize
from mmpyramid.problems.base import VideoScores
from mmpyramid.render.page import LEVELS, MEASURES, Entry, Site, corpus_html, page_assets, to_html

if TYPE_CHECKING:
    from mmpyramid.models import Network


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is written, if anything."""

    json: OptionalPath = None
    """Write the numbers here."""
    predictions: OptionalPath = None
    """Write what is scored here, for `mmpyramid score`: all probabilities of a parsing network
    (.npz), or the detections of a detector (.json)."""
    pages: OptionalPath = None
    """Write a page for each video, and a sortable table of all, into this folder."""
    videos: OptionalPath = None
    """Folder of the videos, named by their ids: pages play them, the table shows pictures."""

    def check(self) -> None:
        """Check that all of it can be written.

        Raises:
            UserError: if it cannot.
        """
        check_output_files(self.json, self.predictions)
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


def evaluate(  # noqa: PLR0913 - one for each flag
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    /,
    *,
    data: Path,
    split: Literal["val", "test"] = "test",
    features: OptionalPath = None,
    gate: Annotated[
        Gate | None, tyro.conf.arg(help_behavior_hint="(default: the network's own)")
    ] = None,
    tune: Annotated[
        Literal["val"] | None, tyro.conf.arg(metavar="val", help_behavior_hint=OPTIONAL)
    ] = None,
    outputs: Annotated[Outputs, tyro.conf.arg(name="")] = Outputs(),
    precision: Literal["float32", "tf32", "bfloat16"] = "float32",
    device: str = "auto",
    output: Annotated[NumbersOutput, tyro.conf.arg(name="")] = NumbersOutput(),  # noqa: B008 - frozen
) -> int:
    """Score a network on a densely annotated split, next to an empty prediction and an oracle.

    A parsing network gets the ten F-scores of LLP, a localization network the accuracies of AVE, by
    both rules in use, on all clips and on those whose event is shorter than the clip, a detector of
    dense events its mean average precision. With `--pages`, every video gets a page beside its
    truth, and a table sorts them by their scores.

    A video longer than those that the network was trained on is scored whole here, as in
    validation; `predict`, `parse` and the pages score it in windows of that length.

    Example: mmpyramid evaluate runs/llp/model --data LLP --pages pages --videos LLP/videos

    Args:
        model: Checkpoint folder or hub id.
        data: Corpus folder: annotations, with the features.
        split: Which split.
        features: Where the features are, if not in the corpus folder.
        gate: Which video-level probability a segment also needs, in parsing: `global` (HAN,
            MM-Pyramid), `per_modality` (MA) or `none`.
        tune: Choose the thresholds of segments on this split, in parsing: one, one for each stream,
            and one for each class and stream. Both sets of numbers are shown.
        outputs: What is written.
        precision: Number format of the network. bfloat16 is up to twice as fast where the processor
            knows it, and moves probabilities by up to 0.02; tf32 rounds products on NVIDIA GPUs.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
        output: How much is said.
    """
    from mmpyramid.models import load_pretrained

    output.apply()
    outputs.check()
    if tune == split:
        raise UserError(f"expected another split than --tune {tune} to score, got --split {split}")
    videos = outputs.find_videos()
    device = resolve_device(device)
    network = _as_precise(load_pretrained(model).to(device), precision)
    problem, decoder = problem_named(network.problem), network.decoder
    if gate and "gate" not in problem.settings:
        raise UserError(
            f"--gate is for parsing networks, this one is for {problem.name}; leave --gate out"
        )
    decoder = replace(decoder, gate=gate or decoder.gate)
    corpus = open_dataset(data, split, network.inputs, problem=problem.name, features=features)
    report = problem.evaluate(network, corpus, decoder, predictions=outputs.predictions)
    title = f"{data}: {simulated(data, features)}{split}, {len(corpus)} videos, per cent"
    name, references = Path(model).resolve().name, problem.references(corpus)
    tuned = {}
    if tune:
        chosen_on = open_dataset(
            data, tune, network.inputs, problem=problem.name, features=features
        )
        tuned = problem.tuned(network, corpus, chosen_on, decoder)
    named = f"{name} (network)" if name in references else name
    console().print(problem.table({named: report, **tuned, **references}, title))
    if outputs.json:
        numbers = {name: each.to_dict() for name, each in tuned.items()}
        write_json(outputs.json, {**report.to_dict(), **({"tuned": numbers} if tuned else {})})
    if outputs.pages:
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


def _as_precise(
    network: Network[Any, Any], precision: Literal["float32", "tf32", "bfloat16"]
) -> Network[Any, Any]:
    """A network that computes in a number format; its weights are converted once.

    Raises:
        UserError: if its device has no TF32.
    """
    device = next(network.parameters()).device
    if precision == "tf32":
        if device.type != "cuda":
            raise UserError(
                f"--precision tf32 is for NVIDIA GPUs, got --device {device}; take float32"
            )
        use_float32(tf32=True)
    return network.in_bfloat16() if precision == "bfloat16" else network


SITE = Site(assets="../assets", home="../index.html")
ON_VIDEO_PAGE = ("type_av", "event_av", "accuracy")
"""Measures on the page of a video; the table of all videos has every measure."""


@dataclass(frozen=True, kw_only=True)
class SplitPages:
    """Writes the pages of a split.

    Attributes:
        network: what is evaluated.
        dataset: the split.
        decoder: settings of the decision rule.
        folder: where the pages are written.
        videos: files to play, by id.
        model: name of the network.
        notes: remarks for the reader.
    """

    network: Network[Any, AnyScores]
    dataset: Dataset
    decoder: Decoder
    folder: Path
    videos: Mapping[str, Path]
    model: str
    notes: Sequence[str] = ()

    def write(self, title: str) -> Path:
        """Write all pages, the index last, and return its path.

        Raises:
            UserError: if there are videos, but none of this split, or features cannot be used.
        """
        self._check_videos()
        for name, content in page_assets().items():
            write_file(self.folder / "assets" / name, content.encode())
        entries = []
        ids = self.dataset.ids
        predicted = predict_items(
            self.network, self.dataset, ids, self.decoder, self.model, self.notes
        )
        with progress("pages") as update, Inspector() as inspector:
            for item_id, timeline, scores in predicted:
                entries.append(self._write_one(item_id, timeline, scores, inspector))
                update(len(entries), len(ids))
        index = self.folder / "index.html"
        facts = {"Model": self.model, "Note": "; ".join(self.notes)}
        write_file(index, corpus_html(entries, title=title, facts=facts).encode())
        return index

    def _check_videos(self) -> None:
        ids = self.dataset.ids
        if self.videos and not self.videos.keys() & set(ids):
            raise UserError(
                f"expected videos called by the ids of this split, such as {ids[0]}.mp4, got "
                f"{len(self.videos)} others, such as {next(iter(self.videos.values())).name}"
            )

    def _write_one(
        self, item_id: str, timeline: Timeline, scores: AnyScores, inspector: Inspector
    ) -> Entry:
        video = self.videos.get(item_id)
        truth = annotated(self.dataset.truth(item_id), self.dataset.labels, source=item_id)
        measured = self._measure(timeline, truth)
        name = quote(os.fsencode(item_id), safe="")  # An id may be any text.
        path = self.folder / "videos" / f"{name}.html"
        page = to_html(
            timeline,
            video=None if video is None else os.path.relpath(video, path.parent),
            embed=False,
            scores=scores,
            truth=truth,
            decoder=self.decoder,
            facts=_facts(measured),
            site=SITE,
        )
        write_file(path, page.encode())
        return Entry(
            name=item_id,
            page=f"videos/{quote(os.fsencode(path.name))}",
            timeline=timeline,
            truth=truth,
            scores=measured,
            thumbnail="" if video is None else self._thumbnail(name, video, inspector),
        )

    def _measure(self, timeline: Timeline, truth: Timeline) -> VideoScores:
        num_segments = round(truth.duration)
        found, true = (rasterize(each, num_segments, truth.labels) for each in (timeline, truth))
        return problem_named(self.network.problem).video_scores(found, true)

    def _thumbnail(self, name: str, video: Path, inspector: Inspector) -> str:
        picture = inspector.thumbnail(video)
        if picture is None:
            return ""
        write_file(self.folder / "thumbnails" / f"{name}.jpg", picture)
        return f"thumbnails/{quote(os.fsencode(name))}.jpg"


def _facts(scores: VideoScores) -> dict[str, str]:
    return {
        f"{MEASURES[measure]}, {LEVELS[level].lower()}": f"{measures[measure]:.1f} %"
        for level, measures in scores.items()
        for measure in ON_VIDEO_PAGE
        if measure in measures
    }

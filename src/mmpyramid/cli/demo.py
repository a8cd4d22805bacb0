"""`mmpyramid demo`: the whole way on a corpus that it renders itself."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from mmpyramid.cli._options import console, write_file
from mmpyramid.core.progress import progress
from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.synthetic.rendered import render_corpus
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.problems import problem_named
from mmpyramid.render import TerminalView, to_html
from mmpyramid.training.recipes import RECIPES

if TYPE_CHECKING:
    from mmpyramid.training.run import Run

SIZES = {"train": 200, "val": 40, "test": 60}
"""Clips of each split: enough to learn from, few enough for five minutes on two cores."""


def demo(*, out: Path = Path("demo"), seed: int = 0) -> int:
    """Render a corpus, extract, train with weak labels, evaluate, parse a clip, write its page.

    Takes a few minutes on two cores; a second run continues where the first stopped.

    Example: mmpyramid demo --out demo

    Args:
        out: Folder for everything.
        seed: Seed of the corpus and of the initial weights.
    """
    from mmpyramid.training.run import fit

    screen = console()
    corpus = out / "corpus"
    with _step(screen, "1/5 render MP4 files with planted events"), progress("render") as bar:
        render_corpus(
            corpus,
            num_train=SIZES["train"],
            num_val=SIZES["val"],
            num_test=SIZES["test"],
            seed=seed,
            progress=bar,
        )
    with _step(screen, "2/5 extract features from the MP4 files"), progress("extract") as bar:
        extract_corpus(
            corpus / "videos",
            corpus / "features",
            on_progress=lambda done: bar(done.completed, done.total),
        )
    config = dataclasses.replace(RECIPES["compact"](), seed=seed)
    with _step(screen, "3/5 train a compact MM-Pyramid on weak labels only"):
        trained = fit(config, corpus, out / "run", resume=True)
    with _step(screen, "4/5 evaluate on the test split"):
        table = _evaluate(trained, corpus)
    screen.print(f"\n{table}\n")
    with _step(screen, "5/5 parse a held-out clip from its MP4 file"):
        page = _parse(trained, corpus, out, screen)
    screen.print(f"\nnetwork  {trained.model}\npage     {page}   (open it in a browser)")
    return 0


@contextmanager
def _step(screen: Console, title: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    screen.print(f"{title}: {time.perf_counter() - start:.0f} s")


def _evaluate(run: Run, data: Path) -> str:
    network = run.load_network()
    problem = problem_named(network.problem)
    corpus = open_dataset(data, "test", network.inputs, problem=problem.name)
    report = problem.evaluate(network, corpus)
    reports = {"MM-Pyramid (compact)": report, **problem.references(corpus)}
    title = f"rendered corpus, {len(corpus)} test clips, F-scores in per cent"
    return problem.table(reports, title)


def _parse(run: Run, data: Path, out: Path, screen: Console) -> Path:
    """Parse the first test clip that has something heard only, seen only, and both."""
    from mmpyramid.pipeline import Pipeline

    annotations = read_llp(data, "test")
    audio, visual = annotations.truth
    kinds = (audio & ~visual, visual & ~audio, audio & visual)
    rich = np.logical_and.reduce([kind.any((1, 2)) for kind in kinds])
    video = data / "videos" / f"{annotations.ids[int(rich.argmax())]}.mp4"
    pipeline = Pipeline(run.model, device=run.device)
    parsed = pipeline.run(video)
    screen.print(TerminalView(parsed.timeline))
    parsed.timeline.save(out / "timeline.json")
    page = out / "timeline.html"
    html = to_html(parsed.timeline, video=video, scores=parsed.scores, decoder=pipeline.decoder)
    write_file(page, html.encode())
    return page

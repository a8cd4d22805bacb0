"""`mmpyramid extract`: from videos to a store of features."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from mmpyramid.backbones.registry import create_extractors
from mmpyramid.cli._backbones import BackboneFlags
from mmpyramid.cli._engine import EngineFlags
from mmpyramid.cli._options import console, progress_bar, run
from mmpyramid.core.errors import UserError
from mmpyramid.extract.corpus import ExtractionProgress, extract_corpus


def main(words: list[str]) -> int:
    """Run the command."""
    return run(extract, "extract", words)


def extract(
    videos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="VIDEOS [VIDEOS ...]", help_behavior_hint="(required)"),
    ],
    /,
    *,
    out: Path,
    backbones: Annotated[BackboneFlags, tyro.conf.arg(name="")] = BackboneFlags(),  # noqa: B008
    engine: Annotated[EngineFlags, tyro.conf.arg(name="")] = EngineFlags(),  # noqa: B008
    retry_failed: bool = False,
    check: bool = False,
) -> int:
    """Extract the features of many videos into a store.

    A run that was cut off, however hard, goes on where it stopped; a bad file is reported, noted in
    the store with the reason, and skipped.

    Example: mmpyramid extract videos/ --out features

    Args:
        videos: Files, folders (searched through) or glob patterns.
        out: The store's folder.
        backbones: Which backbones, and how they run.
        engine: How many processes on which machines, and what a file may cost.
        retry_failed: Try again what failed in an earlier run.
        check: Extract nothing, but verify the store: read all of it, and extract some videos again.
    """
    if not videos:
        raise UserError("expected videos, got none; try `mmpyramid extract videos/ --out features`")
    if check:
        return _check(videos, out, backbones, engine)
    options = backbones.options(here=engine.engine == "local")
    with progress_bar("extract") as update:

        def on_progress(done: ExtractionProgress) -> None:
            update(done.completed, done.total)
            if done.error:
                sys.stderr.write(f"mmpyramid extract: {done.video_id} skipped: {done.error}\n")

        summary = extract_corpus(
            videos,
            out,
            backbones.names(),
            factory=partial(create_extractors, options=options),
            engine=engine.start(options.device),
            retry_failed=retry_failed,
            on_progress=on_progress,
        )
    console().print(
        f"{out}: {summary.done} extracted, {summary.skipped} were there already, "
        f"{len(summary.failed)} failed"
    )
    if backbones.random_weights:
        console().print(f"{out}: RANDOM WEIGHTS, these features mean nothing")
    return 1 if summary.failed else 0


def _check(
    videos: tuple[str, ...], store: Path, backbones: BackboneFlags, engine: EngineFlags
) -> int:
    """Print what is wrong with a store, and give the exit code."""
    from mmpyramid.extract.checking import check_corpus

    options = backbones.options(here=engine.engine == "local")
    with progress_bar("check") as update:
        report = check_corpus(
            videos,
            store,
            backbones.names(),
            factory=partial(create_extractors, options=options),
            engine=engine.start(options.device),
            progress=update,
        )
    faults = {
        **dict.fromkeys(report.absent, "not extracted; run the same command without --check"),
        **{name: f"damaged: {why}" for name, why in report.damaged.items()},
        **{name: f"changed: {why}" for name, why in report.changed.items()},
        **dict.fromkeys(report.strange, "in the store, but not among these videos"),
    }
    for name, why in faults.items():
        sys.stderr.write(f"mmpyramid extract --check: {name}: {why}\n")
    console().print(
        f"{store}: {report.num_sound} sound, {len(report.damaged)} damaged, "
        f"{len(report.absent)} absent, {len(report.failed)} failed before, "
        f"{len(report.strange)} of other videos; extracted again: {len(report.same)} the same, "
        f"{len(report.close)} nearly, {len(report.changed)} changed"
    )
    return 0 if report.is_sound else 1

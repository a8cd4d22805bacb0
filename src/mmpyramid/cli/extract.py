"""`mmpyramid extract`: from videos to a store of features."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from mmpyramid.cli._backbones import BackboneFlags
from mmpyramid.cli._options import console, progress_bar, run
from mmpyramid.errors import UserError
from mmpyramid.features.corpus import ExtractionProgress, extract_corpus
from mmpyramid.features.decoding import Limits
from mmpyramid.features.engines import LocalEngine
from mmpyramid.features.sets import create_extractors


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
    workers: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: one per core)")
    ] = None,
    timeout: float = Limits.timeout,
    retry_failed: bool = False,
) -> int:
    """Extract the features of many videos into a store.

    A run that was cut off, however hard, goes on where it stopped; a bad file is reported, noted in
    the store with the reason, and skipped.

    Example: mmpyramid extract videos/ --out features

    Args:
        videos: Files, folders (searched through) or glob patterns.
        out: The store's folder.
        backbones: Which backbones, and how they run.
        workers: How many processes.
        timeout: Seconds that decoding one file may take, and one more for every MiB of it.
        retry_failed: Try again what failed in an earlier run.
    """
    if not videos:
        raise UserError("expected videos, got none; try `mmpyramid extract videos/ --out features`")
    if workers is not None and workers < 1:
        raise UserError(f"expected --workers of at least 1, got {workers}")
    if timeout <= 0:
        raise UserError(f"expected --timeout of more than 0 seconds, got {timeout}")
    with progress_bar("extract") as update:

        def on_progress(done: ExtractionProgress) -> None:
            update(done.completed, done.total)
            if done.error:
                sys.stderr.write(f"mmpyramid extract: {done.video_id} skipped: {done.error}\n")

        summary = extract_corpus(
            videos,
            out,
            backbones.names(),
            factory=partial(create_extractors, options=backbones.options()),
            engine=LocalEngine(workers=workers, limits=Limits(timeout=timeout)),
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

"""`mmpyramid simulate`: a corpus of simulated features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from mmpyramid.cli._options import OptionalPath, console, progress_bar, run
from mmpyramid.data.llp import read_llp
from mmpyramid.data.simulated import SPLITS, simulate_features

Size = Annotated[
    int | None,
    tyro.conf.arg(metavar="INT", help_behavior_hint="(default: all, or 1000, 100 and 200 random)"),
]


def main(words: list[str]) -> int:
    """Run the command."""
    return run(simulate, "simulate", words)


def simulate(
    *,
    out: Path,
    annotations: OptionalPath = None,
    train: Size = None,
    val: Size = None,
    test: Size = None,
    difficulty: float = 0.5,
    seed: int = 0,
    per_frame: bool = False,
) -> int:
    """Make a corpus of simulated features in the LLP layout: no video is behind them.

    For trying out training and for benchmarks; numbers reached on it say nothing about videos.

    Example: mmpyramid simulate --out simulated --train 200 --val 50 --test 50

    Args:
        out: Folder to write: annotations, and `feats/` with .npy files.
        annotations: Folder of the annotation files of LLP; left out, annotations are random.
        train: Number of training videos.
        val: Number of validation videos.
        test: Number of test videos.
        difficulty: From 0 (classes stand out) to 1 (faint, noisy, and confusable in pairs).
        seed: Same seed, same features.
        per_frame: Store `res152` for each of 8 frames per second, as published, not their mean.
    """
    given = zip(SPLITS, (train, val, test), strict=True)
    with progress_bar("simulate") as update:
        simulate_features(
            annotations,
            out,
            sizes={split: size for split, size in given if size is not None},
            seed=seed,
            difficulty=difficulty,
            per_frame=per_frame,
            progress=update,
        )
    sizes = ", ".join(f"{len(read_llp(out, split))} {split}" for split in SPLITS)
    console().print(
        f"{out}: simulated features of {sizes} videos (no video is behind them)\n"
        f"train on them: mmpyramid train llp --data {out} --out RUN"
    )
    return 0

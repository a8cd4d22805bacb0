"""`mmpyramid simulate`: a corpus of simulated features."""

from __future__ import annotations

from collections.abc import Callable, Sized
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import OptionalPath, console, shows_progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.progress import progress
from mmpyramid.datasets import SPLITS
from mmpyramid.datasets.ave import read_ave
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.synthetic.simulated import simulate_features
from mmpyramid.datasets.synthetic.simulated_ave import simulate_ave

Size = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="INT",
        help_behavior_hint="(default: all; random: 1000, 100, 200 for llp, 300, 60, 60 for ave)",
    ),
]


@shows_progress
def simulate(  # noqa: PLR0913 - one for each flag
    *,
    out: Path,
    layout: Literal["llp", "ave"] = "llp",
    annotations: OptionalPath = None,
    train: Size = None,
    val: Size = None,
    test: Size = None,
    difficulty: float = 0.5,
    seed: int = 0,
    per_frame: bool = False,
) -> int:
    """Make a corpus of simulated features in the layout of LLP or AVE, without videos.

    For trial runs of training and for benchmarks; results on it say nothing about real videos.

    Example: mmpyramid simulate --out simulated --train 200 --val 50 --test 50

    Args:
        out: Folder to write: annotations and features.
        layout: `llp` writes `feats/` with .npy files, `ave` .h5 files with 1 MB for each video.
        annotations: Folder of the annotation files of LLP or AVE; left out, they are random.
        train: Number of training videos.
        val: Number of validation videos.
        test: Number of test videos.
        difficulty: From 0 (classes stand out) to 1 (faint, noisy, and confusable in pairs).
        seed: Same seed, same features.
        per_frame: Store `res152` of LLP for each of 8 frames per second, as published, not their
            mean.
    """
    if per_frame and layout != "llp":
        raise UserError("--per-frame is about `res152`, which layout llp alone has; leave it out")
    given = zip(SPLITS, (train, val, test), strict=True)
    make: Callable[..., Path] = simulate_ave
    read: Callable[..., Sized] = read_ave
    if layout == "llp":
        make, read = partial(simulate_features, per_frame=per_frame), read_llp
    with progress("simulate") as update:
        make(
            annotations,
            out,
            sizes={split: size for split, size in given if size is not None},
            seed=seed,
            difficulty=difficulty,
            progress=update,
        )
    written = ", ".join(f"{len(read(out, split))} {split}" for split in SPLITS)
    console().print(
        f"{out}: simulated features of {written} videos (no video is behind them)\n"
        f"train on them: mmpyramid train {layout} --data {out} --out RUN"
    )
    return 0

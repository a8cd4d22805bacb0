"""Times an epoch from the published `.npy` files: reading, collating, training steps.

    python benchmarks/epoch.py --official MM_Pyramid --videos 320 --clock cpu

Features are simulated in the published layout, 80 frames of ResNet-152 for each video: 0.7 MB each,
7 GB for the 10,000 videos of LLP. Ours reads and packs them once, whatever the number of epochs;
that is counted as if there were one epoch only. Theirs reads them in every epoch, here without
worker processes, so that both sides use the same cores.
"""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import torch
from official import load_official
from sides import Maker, beside, check_official, take_turns
from timing import command, header, table

from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.synthetic.simulated import simulate_features
from mmpyramid.models import MMPyramid
from mmpyramid.problems.parsing.losses import GuidedObjective
from mmpyramid.training.run import EpochShuffle, loader

BATCH = 16


def simulated(folder: Path, **sizes: int) -> Path:
    """A corpus of simulated features, per frame as published, in `data` below the folder."""
    return simulate_features(None, folder / "data", sizes=sizes, per_frame=True)


def their_epoch(checkout: Path, data: Path) -> Callable[[], None]:
    """The released training loop over the released data set."""
    official = load_official(checkout)
    network = official.make()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    corpus = official.corpus(data, "AVVP_train.csv")
    batches = torch.utils.data.DataLoader(corpus, batch_size=BATCH, shuffle=True)
    arguments = SimpleNamespace(log_interval=10**9)

    def epoch() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            official.main.train(arguments, network, batches, optimizer, torch.nn.BCELoss(), 1)

    return epoch


def our_epoch(data: Path, precision: Literal["float32", "bf16"]) -> Callable[[], None]:
    """Reading the corpus and one pass over it."""
    network = MMPyramid()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def epoch() -> None:
        shutil.rmtree(os.environ["MMPYRAMID_FEATURE_CACHE"], ignore_errors=True)
        corpus = open_dataset(data, "train", network.inputs)
        for batch in loader(corpus, BATCH, EpochShuffle(corpus, 1)):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                output = network(batch.streams, batch.mask_BT, batch.present_BM)
                loss = GuidedObjective()(output, batch)
            loss.backward()
            optimizer.step()

    return epoch


def epochs(official: Path | None, data: Path) -> dict[str, Maker]:
    """What makes each epoch that is compared."""
    ours = {name: partial(our_epoch, data, name) for name in ("float32", "bf16")}
    return beside(official, partial(their_epoch, data=data), ours)


def main(
    official: Path | None = None,
    videos: int = 10_000,
    rounds: int = 5,
    clock: Literal["wall", "cpu"] = "wall",
) -> None:
    """Time an epoch.

    Args:
        official: a checkout of the authors' code, to compare with.
        videos: how many videos.
        rounds: how many epochs of each kind, in turns.
        clock: `wall`, or `cpu`: the time that this process computes.
    """
    check_official(official)
    print(header())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MMPYRAMID_FEATURE_CACHE"] = str(Path(folder) / "packed")
        data = simulated(Path(folder), train=videos)
        times, _ = take_turns(epochs(official, data), rounds, clock, warm_up=0)
    print(f"{videos} simulated videos, time per video:")
    print(table(times, next(iter(times)), scale=1e3 / videos))


if __name__ == "__main__":
    command(main)

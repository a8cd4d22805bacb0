"""Times the evaluation of a split: reading features, network, decoding, the ten official numbers.

    python benchmarks/evaluate.py --official MM_Pyramid
    python benchmarks/evaluate.py --official MM_Pyramid --videos 200 --clock cpu

Theirs is the released `eval` over its own data set, one video after the other. The features are
simulated, and so are the weights of the network: its numbers mean nothing, its time does not care.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
import tyro
from epoch import simulated
from official import load_official
from timing import header, interleave, table
from train_step import streams_of
from train_step import videos as random_videos

from mmpyramid.data.corpus import Corpus, open_source
from mmpyramid.data.llp import read_llp
from mmpyramid.models import MMPyramid
from mmpyramid.training.evaluate import predict_corpus, report_of


def their_evaluation(checkout: Path, data: Path) -> Callable[[], None]:
    """The released evaluation, which looks for its annotations in `data/`."""
    official = load_official(checkout)
    network = official.make()
    corpus = official.corpus(data, "AVVP_test_pd.csv")
    batches = torch.utils.data.DataLoader(corpus, batch_size=1)

    def evaluate() -> None:
        with contextlib.chdir(data.parent), contextlib.redirect_stdout(io.StringIO()):
            official.main.eval(network, batches, str(data / "AVVP_test_pd.csv"))

    return evaluate


def our_evaluation(data: Path, precision: Literal["float32", "bf16"]) -> Callable[[], None]:
    """What `mmpyramid evaluate` does, which is in float32, and validation in training, in bf16."""
    network = MMPyramid().eval()

    def evaluate() -> None:
        corpus = Corpus(read_llp(data, "test"), open_source(data), network.inputs)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            report_of(predict_corpus(network, corpus), corpus)

    return evaluate


def latencies(official: Path | None) -> dict[str, Callable[[], object]]:
    """One video through the network."""
    sample = random_videos(1)
    streams, network, half = streams_of(sample), MMPyramid().eval(), MMPyramid().eval().bfloat16()
    actions: dict[str, Callable[[], object]] = {
        "float32": lambda: network(streams),
        "weights in bf16": lambda: half(streams),
    }
    if official is not None:
        theirs = load_official(official).make().eval()
        tensors = [sample[name] for name in ("audio", "video_s", "video_st")]
        actions = {"released": lambda: theirs(*tensors), **actions}
    return actions


@torch.no_grad()
def main(
    official: Path | None = None,
    videos: int = 1200,
    rounds: int = 5,
    clock: Literal["wall", "cpu"] = "wall",
) -> None:
    """Time an evaluation, and the network on one video.

    Args:
        official: a checkout of the authors' code, to compare with.
        videos: how many videos.
        rounds: how many evaluations of each kind, in turns.
        clock: `wall`, or `cpu`: the time that this process computes.
    """
    print(header())
    with tempfile.TemporaryDirectory() as folder:
        data = simulated(Path(folder), train=1, test=videos)
        sides = {name: our_evaluation(data, name) for name in ("float32", "bf16")}
        if official is not None:
            sides = {"released": their_evaluation(official, data), **sides}
        times = interleave(sides, rounds, clock, warm_up=0)
    print(f"{videos} simulated videos, whole evaluation:")
    print(table(times, next(iter(sides)), "s", 1))
    print("one video through the network:")
    print(table(interleave(latencies(official), 6 * rounds, clock), next(iter(sides))))


if __name__ == "__main__":
    tyro.cli(main)

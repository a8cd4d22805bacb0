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
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from epoch import simulated
from official import load_official
from sides import Maker, beside, check_official, take_turns
from timing import command, header, table
from train_step import streams_of
from train_step import videos as random_videos

from mmpyramid.datasets import open_dataset
from mmpyramid.models import MMPyramid
from mmpyramid.problems import ParsingProblem


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
    """What `mmpyramid evaluate` does."""
    network = MMPyramid().eval().to(torch.bfloat16 if precision == "bf16" else torch.float32)

    def evaluate() -> None:
        corpus = open_dataset(data, "test", network.inputs)
        ParsingProblem().evaluate(network, corpus)

    return evaluate


def their_network(checkout: Path) -> Callable[[], object]:
    """One video through the released network."""
    network, sample = load_official(checkout).make().eval(), random_videos(1)
    return without_gradients(network, *(sample[n] for n in ("audio", "video_s", "video_st")))


def our_network(dtype: torch.dtype) -> Callable[[], object]:
    """One video through our network."""
    return without_gradients(MMPyramid().eval().to(dtype), streams_of(random_videos(1)))


def without_gradients(network: torch.nn.Module, *inputs: object) -> Callable[[], object]:
    """The network on these inputs, as in use."""

    @torch.no_grad()
    def call() -> object:
        return network(*inputs)

    return call


def evaluations(official: Path | None, data: Path) -> dict[str, Maker]:
    """What makes each evaluation that is compared."""
    ours = {name: partial(our_evaluation, data, name) for name in ("float32", "bf16")}
    return beside(official, partial(their_evaluation, data=data), ours)


def networks(official: Path | None) -> dict[str, Maker]:
    """What makes each network that is compared with one video."""
    ours = {"float32": torch.float32, "weights in bf16": torch.bfloat16}
    makers = {name: partial(our_network, dtype) for name, dtype in ours.items()}
    return beside(official, their_network, makers)


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
    check_official(official)
    print(header())
    with tempfile.TemporaryDirectory() as folder:
        data = simulated(Path(folder), train=1, test=videos)
        times, _ = take_turns(evaluations(official, data), rounds, clock, warm_up=0)
    print(f"{videos} simulated videos, whole evaluation:")
    print(table(times, next(iter(times)), "s", 1))
    times, _ = take_turns(networks(official), 3 * rounds, clock, warm_up=3, calls=10)
    print("one video through the network:")
    print(table(times, next(iter(times))))


if __name__ == "__main__":
    command(main)

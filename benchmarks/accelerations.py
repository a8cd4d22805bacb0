"""Times a training step with and without each acceleration, in turns in one process.

    python benchmarks/accelerations.py

An acceleration stays if a step or an evaluation takes 1.1 times as long without it. Wall clock, two
threads; run it when nothing else does.
"""

from collections.abc import Callable

import torch
from timing import command, header, interleave
from train_step import batch_of, videos

from mmpyramid.accelerate import accelerate
from mmpyramid.models import HAN, MMPyramid
from mmpyramid.problems.parsing.losses import GuidedObjective


def step(make: type[MMPyramid | HAN], *, in_bf16: bool, dropout: bool) -> Callable[[], None]:
    """A training step on 16 videos, with cheap dropout or PyTorch's."""
    torch.manual_seed(0)
    network, sample = make(), batch_of(videos(16))
    if dropout:
        accelerate(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def call() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
            pooled = network(sample.streams)
        GuidedObjective()(pooled, sample).backward()
        optimizer.step()

    return call


def main(rounds: int = 15) -> None:
    """Print how many times as long a step takes without cheap dropout.

    Args:
        rounds: how often each kind of step is timed, in turns.
    """
    print(header())
    for make in (MMPyramid, HAN):
        for in_bf16 in (False, True):
            sides = {on: step(make, in_bf16=in_bf16, dropout=on) for on in (True, False)}
            names = {True: "with", False: "without"}
            times = interleave({names[on]: call for on, call in sides.items()}, rounds)
            kept, plain = times["with"], times["without"]
            print(
                f"{make.__name__}, {'bf16' if in_bf16 else 'float32'}: dropout "
                f"{1e3 * kept.median:.0f} ms, without {1e3 * plain.median:.0f} ms; "
                f"{plain.median / kept.median:.3f} times as long (lowest tenths: "
                f"{plain.best / kept.best:.3f})"
            )


if __name__ == "__main__":
    command(main)

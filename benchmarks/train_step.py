"""Times one training step of MM-Pyramid: forward, loss, backward, Adam on 16 videos.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --official MM_Pyramid     beside the authors' code, in turns

The authors' step is their own `train` on the 80 frames per video that their files hold; ours starts
from what our data loader gives, frames averaged to segments. On a busy machine,
`OMP_NUM_THREADS=1` with `--clock cpu` gives the steadiest ratios.
"""

import contextlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import torch
from official import load_official
from sides import Maker, beside, take_turns
from timing import command, copy_rate, header, matmul_rate, table
from torch.utils.flop_counter import FlopCounterMode

from mmpyramid.accelerate import accelerate
from mmpyramid.core.batch import Batch
from mmpyramid.models import MMPyramid
from mmpyramid.problems.parsing.losses import GuidedObjective

ADAM_PASSES = 7
"""Float32 arrays of the size of the network that Adam reads (4) and writes (3)."""


def videos(batch: int) -> dict[str, torch.Tensor]:
    """Random features in the published layout, and weak labels."""
    torch.manual_seed(0)
    return {
        "audio": torch.randn(batch, 10, 128),
        "video_s": torch.randn(batch, 80, 2048),
        "video_st": torch.randn(batch, 10, 512),
        "label": (torch.rand(batch, 25) < 0.1).float(),
    }


def batch_of(sample: dict[str, torch.Tensor]) -> Batch:
    """What the network and its loss get of such videos."""
    streams, num_videos = streams_of(sample), len(sample["label"])
    num_segments = next(iter(streams.values())).shape[1]
    return Batch(
        streams=streams,
        mask_BT=torch.ones(num_videos, num_segments, dtype=torch.bool),
        present_BM=torch.ones(num_videos, 2, dtype=torch.bool),
        weak_BC=sample["label"],
    )


def streams_of(sample: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same videos as our data loader gives them."""
    pooled = sample["video_s"].unflatten(1, (10, 8)).mean(2)
    return {"vggish": sample["audio"], "resnet152": pooled, "r2plus1d_18": sample["video_st"]}


class Loader(list):
    """A loader of one batch, as the released `train` wants it."""

    dataset = (0,) * 16


def their_step(checkout: Path, batch: int) -> Callable[[], None]:
    """The released training loop over one batch."""
    official = load_official(checkout)
    torch.manual_seed(0)
    network = official.make()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    loader, arguments = Loader([videos(batch)]), SimpleNamespace(log_interval=10**9)

    def step() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            official.main.train(arguments, network, loader, optimizer, torch.nn.BCELoss(), 1)

    return step


def our_step(batch: int, precision: Literal["float32", "bf16"]) -> Callable[[], None]:
    """The step that Lightning takes for us, without Lightning."""
    torch.manual_seed(0)
    network, sample = MMPyramid(), batch_of(videos(batch))
    accelerate(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = GuidedObjective()(network(sample.streams), sample)
        loss.backward()
        optimizer.step()

    return step


def flops_of_a_step(batch: int) -> int:
    """Multiplications and additions of the matrix products in forward and backward."""
    network, one = MMPyramid().double(), streams_of(videos(1))
    with FlopCounterMode(display=False) as counter:
        network({n: x.double() for n, x in one.items()}).video_BC.sum().backward()
    return batch * counter.get_total_flops()


def floor(batch: int, dtype: torch.dtype, clock: str) -> float:
    """Seconds of the products at the measured rate, and of Adam's memory traffic."""
    with torch.device("meta"):
        parameters = sum(p.numel() for p in MMPyramid().parameters())
    products = flops_of_a_step(batch) / matmul_rate(dtype, clock)
    return products + 4 * ADAM_PASSES * parameters / copy_rate(clock)


def steps(official: Path | None, batch: int) -> dict[str, Maker]:
    """What makes each step that is compared."""
    ours = {name: partial(our_step, batch, name) for name in ("float32", "bf16")}
    return beside(official, partial(their_step, batch=batch), ours)


def main(
    official: Path | None = None,
    rounds: int = 11,
    batch: int = 16,
    clock: Literal["wall", "cpu"] = "wall",
) -> None:
    """Time a training step.

    Args:
        official: a checkout of the authors' code, to compare with.
        rounds: how often three steps of each kind are timed, in turns.
        batch: videos of a step.
        clock: `wall`, or `cpu`: the time that this process computes.
    """
    print(header())
    times, memory = take_turns(steps(official, batch), rounds, clock, calls=3)
    print(table(times, next(iter(times))))
    flops = flops_of_a_step(batch)
    for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        rate, lowest = matmul_rate(dtype, clock), floor(batch, dtype, clock)
        print(
            f"{name}: {flops / 1e9:.1f} GFLOP at {flops / times[name].median / 1e9:.0f} GFLOP/s, "
            f"{flops / times[name].median / rate:.2f} of torch.matmul's {rate / 1e9:.0f}; "
            f"floor {1e3 * lowest:.0f} ms, step / floor {times[name].median / lowest:.2f}"
        )
    peaks = ", ".join(f"{name} {mebibytes:.0f} MiB" for name, mebibytes in memory.items())
    print(f"peak memory of a process: {peaks}")


if __name__ == "__main__":
    command(main)

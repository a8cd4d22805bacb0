"""Times one long video from features to timeline: cost and memory should be linear in its length.

    python benchmarks/long_video.py
    python benchmarks/long_video.py --lengths 360 3600 36000 --clock cpu

The network has random weights, for which the time does not care; they find far more events than a
trained one. Peak memory includes the interpreter, PyTorch, the weights and the features.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from timing import command, header, interleave, peak_memory

from mmpyramid.models import MMPyramid
from mmpyramid.problems import decode


def parse_features(network: MMPyramid, length: int) -> Callable[[], None]:
    """From random features of so many seconds to the timeline."""
    random = np.random.default_rng(0)
    features = {
        name: random.standard_normal((length, width), dtype=np.float32)
        for name, width in network.streams.items()
    }

    def run() -> None:
        decode(network.predict(features))

    return run


def main(
    lengths: tuple[int, ...] = (360, 3600, 36_000),
    rounds: int = 5,
    clock: Literal["wall", "cpu"] = "wall",
) -> None:
    """Time long videos.

    Args:
        lengths: seconds of each video, in turns.
        rounds: how often.
        clock: `wall`, or `cpu`: the time that this process computes.
    """
    print(header())
    torch.manual_seed(0)
    network = MMPyramid().eval()
    memory = []
    for length in sorted(lengths):
        parse_features(network, length)()
        memory.append(peak_memory())
    times = interleave(
        {str(length): parse_features(network, length) for length in sorted(lengths)},
        rounds,
        clock,
        warm_up=0,
    )
    print("| segments | seconds | ms per segment | against the shortest | peak memory (MiB) |")
    print("|---|---|---|---|---|")
    first = times[str(min(lengths))].median / min(lengths)
    for (length, each), peak in zip(times.items(), memory, strict=True):
        one = each.median / int(length)
        print(
            f"| {length} | {each.median:.2f} | {1e3 * one:.3f} | {one / first:.2f} | {peak:.0f} |"
        )


if __name__ == "__main__":
    command(main)

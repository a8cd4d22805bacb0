"""Times the backbones of a feature set against what the machine's matrix multiplication allows.

    python benchmarks/extraction.py CLIP.mp4
    python benchmarks/extraction.py CLIP.mp4 --set ave --rounds 5

One thread, CPU seconds per second of video. The floor is the number of floating-point operations
of a network divided by the rate of `torch.matmul` in the same number format. Weights are random,
for which the time does not care. "all" is the whole way: decoding, resizing, networks.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import tyro
from timing import command, header, interleave, matmul_rate, peak_memory
from torch.utils.flop_counter import FlopCounterMode

from mmpyramid.backbones.base import Extractor, Precision
from mmpyramid.backbones.open_networks import NETWORKS, with_weights
from mmpyramid.backbones.registry import BackboneOptions, create_extractors
from mmpyramid.core.device import use_threads
from mmpyramid.extract.embedding import extract_features
from mmpyramid.extract.pieces import Piece, RequiredInputs, read_pieces, required_input

SEGMENTS = 8


def make(name: str, precision: Precision) -> Sequence[Extractor]:
    """The extractors of a set, with random weights where it matters."""
    return create_extractors(name, BackboneOptions(precision=precision, random_weights=True))


def flops(extractor: Extractor, rows: np.ndarray) -> float:
    """Floating-point operations per second of video; an open backbone's are those in PyTorch."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if extractor.name in NETWORKS:
            with_weights(extractor.name, extractor.weights).embed(torch.from_numpy(rows))
        else:
            extractor.embed(rows)
    return counter.get_total_flops() / len(rows)


def embedding(extractor: Extractor, rows: np.ndarray) -> Callable[[], object]:
    """One call of a network."""
    return lambda: extractor.embed(rows)


def whole(clip: Path, extractors: Sequence[Extractor]) -> Callable[[], object]:
    """The whole way from a file."""
    return lambda: extract_features(clip, extractors)


def main(
    clip: tyro.conf.Positional[Path],
    set: str = "llp",  # noqa: A002 - the flag's name
    rounds: int = 3,
) -> None:
    """Time the backbones of a set.

    Args:
        clip: a video with sound.
        set: `open`, `llp` or `ave`.
        rounds: how often.
    """
    use_threads(1)
    print(header())
    formats = [Precision.FLOAT32, Precision.BFLOAT16][: 1 if set == "open" else 2]
    made = {precision: make(set, precision) for precision in formats}
    pieces = read_pieces(clip, RequiredInputs.of(made[Precision.FLOAT32]), SEGMENTS)
    rows = next(piece for piece in pieces if isinstance(piece, Piece)).inputs
    (*_, end) = pieces
    actions: dict[str, Callable[[], object]] = {}
    operations: dict[str, float] = {}
    for precision, extractors in made.items():
        for extractor in extractors:
            seen = rows[required_input(extractor)]
            operations[f"{extractor.name} {precision}"] = flops(extractor, seen)
            actions[f"{extractor.name} {precision}"] = embedding(extractor, seen)
        actions[f"all {precision}"] = whole(clip, extractors)
        operations[f"all {precision}"] = sum(
            operations[f"{extractor.name} {precision}"] for extractor in extractors
        )
    times = interleave(actions, rounds, "cpu", warm_up=1)
    rates = {precision: matmul_rate(precision.dtype, "cpu", 2048, 5) for precision in formats}
    print(
        f"matmul: {', '.join(f'{name} {rate / 1e9:.0f} GFLOP/s' for name, rate in rates.items())}"
    )
    print("| | GFLOP | CPU s | floor (s) | ratio |\n|---|---|---|---|---|")
    for name, each in times.items():
        seconds = each.median / (end.duration if name.startswith("all") else SEGMENTS)
        floor = operations[name] / rates[Precision(name.split()[1])]
        print(
            f"| {name} | {operations[name] / 1e9:.1f} | {seconds:.3f} | {floor:.3f} | "
            f"{seconds / floor:.2f} |"
        )
    print(f"peak memory {peak_memory():.0f} MiB")


if __name__ == "__main__":
    command(main)

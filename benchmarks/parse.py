"""Times the way from MP4 to timeline with the open backbones, and its stages one by one.

    python benchmarks/parse.py clips/*.mp4

Each number tells how many seconds of video one second of work gets through. Decoding runs ahead of
the networks, so that the whole costs less than its stages together. Weights are loaded before.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro
from timing import command, header

from mmpyramid import Pipeline, UserError
from mmpyramid.extract.embedding import BATCH
from mmpyramid.extract.pieces import Piece, RequiredInputs, read_pieces, required_input


def seconds_of(action: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def decoded(pipeline: Pipeline, video: Path) -> list[Piece]:
    """A video as the backbones want it."""
    pieces = read_pieces(video, RequiredInputs.of(pipeline.extractors), BATCH)
    return [piece for piece in pieces if isinstance(piece, Piece)]


def stages(pipeline: Pipeline, video: Path) -> dict[str, float]:
    """Seconds of video for each second of work, stage by stage and as a whole."""
    pieces: list[Piece] = []
    spent = {"decode": seconds_of(lambda: pieces.extend(decoded(pipeline, video)))}
    for extractor in pipeline.extractors:
        rows = [piece.inputs[required_input(extractor)] for piece in pieces]
        spent[extractor.name] = seconds_of(lambda e=extractor, r=rows: [e.embed(x) for x in r])
    spent["video to timeline"] = seconds_of(lambda: pipeline(video))
    return {name: pieces[-1].stop / seconds for name, seconds in spent.items()}


def main(videos: Annotated[tuple[Path, ...], tyro.conf.Positional], rounds: int = 5) -> None:
    """Time parsing.

    Args:
        videos: files with sound and picture.
        rounds: how often each.
    """
    if not videos:
        raise UserError(
            "expected files with sound and picture; try benchmarks/parse.py clips/*.mp4"
        )
    print(header())
    pipeline = Pipeline("teachers")
    pipeline(videos[0])
    found = [stages(pipeline, video) for _ in range(rounds) for video in videos]
    print("| stage | median (x real time) | best |\n|---|---|---|")
    for name in found[0]:
        rates = [each[name] for each in found]
        print(f"| {name} | {statistics.median(rates):.1f} | {max(rates):.1f} |")


if __name__ == "__main__":
    command(main)

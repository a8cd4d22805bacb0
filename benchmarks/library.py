"""Measures how fast a library of many simulated events answers.

    python benchmarks/library.py --events 10000000

Nothing was seen or heard: labels, times and scores are drawn at random, 28 events an hour of video.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import tyro
from timing import header

from mmpyramid.library import Library, Query, search
from mmpyramid.library.index import write_tables
from mmpyramid.teachers import load_vocabulary

QUESTIONS = {
    "Dog, heard": Query(label="Dog", heard=True, min_score=0.99),
    "Dog, heard and not seen": Query(label="Dog", heard=True, seen=False, min_score=0.99),
    "Dog within 5 s of Rain": Query(label="Dog", near="Rain", gap=5.0, min_score=0.99),
    "Dog, in videos with Rain": Query(label="Dog", also=["Rain"], min_score=0.99),
}
PART = 500_000


def main(events: int = 10_000_000, repeats: int = 3) -> None:
    """Write simulated events, and ask."""
    print(header())
    labels = np.array(load_vocabulary("everyday").labels)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        library = Library(Path(temporary))
        library.create()
        folder = Path(temporary) / "events-0001"
        for start in range(0, events, PART):
            count = min(PART, events - start)
            numbers = start + np.arange(count)
            videos = np.char.add("v", (numbers // 28).astype(str))
            onset = rng.uniform(0, 3590, count).round()
            rows = zip(
                videos.tolist(),
                rng.choice(labels, count).tolist(),
                rng.choice(["audio", "visual", "audio_visual"], count).tolist(),
                onset.tolist(),
                (onset + rng.integers(1, 10, count)).tolist(),
                rng.random(count).tolist(),
                strict=True,
            )
            columns = ("video", "label", "modality", "start", "end", "score")
            hours = [(video, 3600.0) for video in np.unique(videos).tolist()]
            tables = {"events": (columns, [*rows]), "videos": (("video", "duration"), hours)}
            write_tables(folder, tables)
        write_tables(Path(temporary) / "paths", {"part": (("video", "path"), [("v0", "v0.mp4")])})
        print(f"{events:,} simulated events in {events // 28:,} hours of video")
        for words, query in QUESTIONS.items():
            seconds = []
            for _ in range(repeats):
                begun = time.perf_counter()
                found = search(library, query)
                seconds.append(time.perf_counter() - begun)
            print(f"{words:<28} {len(found):>8,} found in {min(seconds):.2f} s")


if __name__ == "__main__":
    tyro.cli(main)

"""Measures how fast a library of many simulated events answers.

    python benchmarks/library.py --events 10000000
    python benchmarks/library.py --events 0 --seconds 1000000

Nothing was seen or heard: labels, times and scores are drawn at random, 28 events an hour of video.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from timing import command, header

from mmpyramid.backbones.registry import BackboneOptions, create_extractors
from mmpyramid.core.scores import Extracted
from mmpyramid.library import Library, Query, search
from mmpyramid.library.index import write_tables
from mmpyramid.library.similar import Example, find_similar
from mmpyramid.store.shard import encode_shard
from mmpyramid.store.store import Provenance
from mmpyramid.teachers import load_vocabulary

QUESTIONS = {
    "Dog, heard": Query(label="Dog", heard=True, min_score=0.99),
    "Dog, heard and not seen": Query(label="Dog", heard=True, seen=False, min_score=0.99),
    "Dog within 5 s of Rain": Query(label="Dog", near="Rain", gap=5.0, min_score=0.99),
    "Dog, in videos with Rain": Query(label="Dog", also=["Rain"], min_score=0.99),
}
PART = 500_000


SHARD = 100
"""Videos of one file, and seconds of one video."""


def main(events: int = 10_000_000, seconds: int = 0, repeats: int = 3) -> None:
    """Write simulated events and ask, and compare simulated seconds with an example.

    Args:
        events: how many events.
        seconds: how many seconds.
        repeats: of each search, of which the fastest counts.
    """
    print(header())
    if events:
        ask(events, repeats)
    if seconds:
        compare(seconds, repeats)


def compare(seconds: int, repeats: int) -> None:
    """Search by example."""
    rng = np.random.default_rng(0)
    extractors = create_extractors("open", BackboneOptions(random_weights=True))
    names = {extractor.name: extractor.dim for extractor in extractors}
    pool = {
        name: rng.standard_normal((SHARD * SHARD + 997, dim), np.float32)
        for name, dim in names.items()
    }
    with tempfile.TemporaryDirectory() as temporary:
        library = Library(Path(temporary) / "lib")
        library.create()
        store = library.folder / "store"
        store.mkdir()
        (store / "store.json").write_text(Provenance.of(extractors).to_json())
        for number in range(max(1, seconds // SHARD**2)):
            videos = {}
            for video in range(SHARD):
                start = SHARD * video + number % 997
                features = {name: rows[start : start + SHARD] for name, rows in pool.items()}
                extracted = Extracted(duration=float(SHARD), features=features)
                videos[f"v{number}-{video}"] = extracted
            (store / f"shard-{number:05d}.h5").write_bytes(encode_shard(videos))
        size = sum(path.stat().st_size for path in store.iterdir())
        print(f"{seconds:,} simulated seconds, {size / 1e9:.1f} GB")
        for turn in range(repeats + 1):
            begun, computed = time.perf_counter(), time.process_time()
            found = find_similar(library, Example.parse("v0-0@12-15"))
            words = "with the comparison of checksums" if turn == 0 else "again"
            best = found.moments[0].score
            print(
                f"{found.num_seconds:,} compared in {time.perf_counter() - begun:.2f} s "
                f"({time.process_time() - computed:.2f} s of one core), {words}; best {best:.3f}"
            )


def ask(events: int, repeats: int) -> None:
    """Search by label."""
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
    command(main)

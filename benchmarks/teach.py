"""Measures what few examples teach, beside the teachers that need none.

    python benchmarks/teach.py clips/ --under dev/ --store features/

The folder has an `index.csv` and an `events.csv` as for `vocabulary.py`; `teach_classes.toml` says
which annotations mean which class. For each class some clips that have it, and half of the others,
are corrections without times; what they teach is asked of all other clips, and so is the vocabulary
`everyday`. That is repeated with other draws. A clip of which it is not known whether a class is
heard, or seen, is left out there. What `teach` refuses counts as not found.
"""

import csv
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import tyro
from timing import command, header
from vocabulary import Annotation, read_annotations

from mmpyramid.core import Features, Modality
from mmpyramid.datasets.folder_files import BOTH, Video
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.search import FoundVideos
from mmpyramid.store.store import FeatureStore
from mmpyramid.teachers import load_teacher, load_vocabulary
from mmpyramid.teaching.examples import STREAMS, Lesson
from mmpyramid.teaching.learning import find, learn_classifiers

CLASSES = Path(__file__).with_name("teach_classes.toml")
SIDES = (Modality.AUDIO, Modality.VISUAL)


@dataclass(frozen=True)
class Known:
    """The clips of which it is known whether they have a class, and how."""

    has: Mapping[str, frozenset[Modality]]

    @classmethod
    def of(cls, pattern: str, annotations: Mapping[str, Sequence[Annotation]]) -> "Known":
        has = {}
        for file, rows in annotations.items():
            meant = [row.modalities for row in rows if re.search(pattern, row.text)]
            how = frozenset().union(*filter(None, meant))
            if how == {*SIDES} or not meant:
                has[file] = how
        return cls(has)

    def draw(self, num: int, rng: np.random.Generator) -> tuple[list[str], list[str]] | None:
        """So many clips that have it and half of the others, to learn from, and all that remain."""
        with_it = [file for file, how in self.has.items() if how]
        without = [file for file, how in self.has.items() if not how]
        if len(with_it) <= num:
            return None
        first, second = rng.permutation(with_it), rng.permutation(without)
        half = len(second) // 2
        return [*first[:num], *second[:half]], [*first[num:], *second[half:]]


class Counts:
    """Clips that were found rightly, found wrongly and missed."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = 0

    def add(self, found: bool, true: bool) -> None:
        self.right += found and true
        self.wrong += found and not true
        self.missed += true and not found

    def __str__(self) -> str:
        total = 2 * self.right + self.wrong + self.missed
        return f"{2 * self.right / total:.2f}" if total else "-"


def embed(clips: Path, files: Sequence[str], store: Path) -> dict[str, Features]:
    """Features of each file; those in the store are not computed again."""
    paths = {file.replace("/", " "): clips / file for file in files}
    extract_corpus(FoundVideos(paths=paths), store, tuple(STREAMS.values()))
    known = FeatureStore(store)
    return {file: known.load(file.replace("/", " ")) for file in files}


def learned(
    name: str, known: Known, files: Sequence[str], features: Mapping[str, Features]
) -> Mapping[str, Mapping[Modality, bool]]:
    """Learn a class of some clips, and say where it is in all."""
    videos = {file: Video(where=file) for file in files}
    for file in files:
        if known.has[file]:
            videos[file].weak.append((name, BOTH, file))
    lesson = Lesson(
        labels=(name,),
        videos=videos,
        features={file: features[file] for file in files},
        corrected=frozenset(files),
    )
    network, _, _ = learn_classifiers(lesson)
    if network is None:
        return defaultdict(lambda: dict.fromkeys(SIDES, False))
    return {
        file: {side: bool(mask_TC.any()) for side, mask_TC in find(network, streams).items()}
        for file, streams in features.items()
    }


def main(
    clips: Annotated[Path, tyro.conf.Positional],
    *,
    under: str = "",
    store: Path | None = None,
    examples: tuple[int, ...] = (2, 4, 8),
    draws: int = 5,
) -> None:
    """Print the table.

    Args:
        clips: the folder.
        under: take only files whose path begins so.
        store: where features are kept; if left out they are computed anew.
        examples: how many clips of a class to learn from.
        draws: how often each number is drawn.
    """
    with (clips / "index.csv").open(encoding="utf-8", newline="") as table:
        files = [row["file"] for row in csv.DictReader(table) if row["file"].startswith(under)]
    with TemporaryDirectory() as folder:
        features = embed(clips, files, store or Path(folder))
    rows = read_annotations(clips / "events.csv")
    annotations = {file: rows[file] for file in files}
    vocabulary = load_vocabulary("everyday")
    teacher = load_teacher(vocabulary)
    zero_shot = {file: find(teacher, streams) for file, streams in features.items()}
    print(header())
    print(f"{len(files)} clips; F of finding the clips that have a class, heard / seen\n")
    titles = ["class", "clips", *(f"{n} examples" for n in examples), "zero-shot"]
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for name, entry in tomllib.loads(CLASSES.read_text(encoding="utf-8")).items():
        known = Known.of(entry["annotated"], annotations)
        labels = entry.get("everyday") or vocabulary.groups[entry["group"]]
        columns = [teacher.labels.index(label) for label in labels]
        cells, others = [], {side: Counts() for side in SIDES}
        for num in examples:
            counts = {side: Counts() for side in SIDES}
            for seed in range(draws):
                drawn = known.draw(num, np.random.default_rng(seed))
                if drawn is None:
                    continue
                found = learned(name, known, drawn[0], features)
                for file in drawn[1]:
                    for side in SIDES:
                        if STREAMS[side] in features[file]:
                            true = side in known.has[file]
                            counts[side].add(found[file][side], true)
                            raw = zero_shot[file][side][:, columns]
                            others[side].add(bool(raw.any()), true)
            cells.append(" / ".join(map(str, counts.values())))
        num_clips = sum(map(bool, known.has.values()))
        if num_clips <= min(examples):
            continue  # Nothing would remain to ask.
        row = [name, str(num_clips), *cells, " / ".join(map(str, others.values()))]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    command(main)

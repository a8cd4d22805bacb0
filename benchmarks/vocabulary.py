"""Measures what people see: how many timelines say something, and how much of it is right.

    python benchmarks/vocabulary.py clips/
    python benchmarks/vocabulary.py clips/ --timelines before/    # those of another version
    python benchmarks/vocabulary.py clips/ --without faces        # what they give

The folder has an `index.csv` with the column `file`, and an `events.csv` with `file`, `label`,
`modality` (A, V, AV; ? where it is not known) and `onset`, `offset` in seconds (may be empty). An
annotation means the labels whose words it has: their own names and those in
`vocabulary_words.toml`, and with them all that they are a kind of. Annotations of such clips are
never complete, so a label that is not matched may be right nevertheless.
"""

import csv
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from timing import command, header

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.efficientnet import EfficientNetLite0Extractor
from mmpyramid.backbones.faces import FaceExtractor
from mmpyramid.backbones.yamnet import YAMNetExtractor
from mmpyramid.core import Features, Modality, Timeline
from mmpyramid.core.wording import title_of
from mmpyramid.extract.embedding import extract_features
from mmpyramid.problems import decode
from mmpyramid.teachers import VOCABULARIES, Teacher, Vocabulary, load_vocabulary
from mmpyramid.teachers.pooling import best
from mmpyramid.teachers.zero_shot import Classifier, kinds

WORDS = Path(__file__).with_name("vocabulary_words.toml")
STREAMS = {"A": Modality.AUDIO, "V": Modality.VISUAL}
QUANTILE = 0.9
SMALLEST = {Modality.AUDIO: 0.02, Modality.VISUAL: 0.005}
"""Backgrounds below are told as one number for all others."""


@dataclass(frozen=True)
class Annotation:
    """One row: what its label says, how it is perceived (None if unknown), and when if known."""

    text: str
    modalities: frozenset[Modality] | None
    seconds: range | None


def read_annotations(path: Path) -> dict[str, list[Annotation]]:
    """The rows of each file."""
    rows = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            letters = row["modality"].replace("?", "")
            seconds = None
            if row["onset"] and row["offset"]:
                seconds = range(round(float(row["onset"])), round(float(row["offset"])))
            known = frozenset(STREAMS[letter] for letter in letters) or None
            rows[row["file"]].append(Annotation(row["label"].casefold(), known, seconds))
    return rows


class Meaning:
    """Which labels of a vocabulary an annotation means."""

    def __init__(self, vocabulary: Vocabulary, classifiers: Sequence[Classifier]) -> None:
        words = tomllib.loads(WORDS.read_text(encoding="utf-8"))
        self._patterns = {}
        for label in vocabulary.labels:
            title = title_of(label).casefold()
            phrases = [rf"\b{re.escape(title)}\b"]
            phrases += [rf"\b{re.escape(phrase)}" for phrase in words.get(title, ())]
            self._patterns[label] = re.compile("|".join(phrases))
        is_kind_CC = kinds(vocabulary, classifiers)
        self._implied = {
            label: {vocabulary.labels[other] for other in np.flatnonzero(is_kind_CC[row])}
            for row, label in enumerate(vocabulary.labels)
        }

    def said(self, text: str) -> set[str]:
        """The labels, without those that another of them is a kind of."""
        found = {label for label, pattern in self._patterns.items() if pattern.search(text)}
        return found.difference(*(self._implied[label] for label in found))

    def of(self, text: str) -> set[str]:
        """The labels, and all that they are a kind of."""
        said = self.said(text)
        return said.union(*(self._implied[label] for label in said))


class Tally:
    """What is counted over clips."""

    def __init__(self) -> None:
        self.counts: Counter[Any] = Counter()

    def add(self, timeline: Timeline, rows: Sequence[Annotation], meaning: Meaning) -> None:
        """Count one clip."""
        found = {event.label for event in timeline}
        meant = {label for row in rows for label in meaning.of(row.text)}
        self.counts["clips"] += 1
        self.counts["empty"] += not found
        self.counts["right"] += bool(found & meant)
        self.counts["labels"] += len(found)
        self.counts["unmatched"] += len(found - meant)
        for modality in STREAMS.values():
            self._add_modality(timeline.of(modality), rows, meaning, modality)

    def _add_modality(
        self, timeline: Timeline, rows: Sequence[Annotation], meaning: Meaning, modality: Modality
    ) -> None:
        # What may be heard or seen, for all that is known, is neither right nor wrong.
        unknown = {
            label for row in rows if row.modalities is None for label in meaning.of(row.text)
        }
        true_rows = [row for row in rows if row.modalities and modality in row.modalities]
        said = {label for row in true_rows for label in meaning.said(row.text)}
        meant = {label for row in true_rows for label in meaning.of(row.text)}
        self._count("clip", modality, {event.label for event in timeline} - unknown, said, meant)
        timed = [row for row in rows if row.seconds is not None]
        labels = {label for row in timed for label in meaning.of(row.text)}
        found = {
            (event.label, second)
            for event in timeline
            if event.label in labels
            for second in range(round(event.start), round(event.end))
        }
        said_when, meant_when = (
            {
                (label, second)
                for row in timed
                if row in true_rows and row.seconds
                for label in labels_of(row.text)
                for second in row.seconds
            }
            for labels_of in (meaning.said, meaning.of)
        )
        self._count("second", modality, found, said_when, meant_when)

    def _count(
        self, level: str, modality: Modality, found: set[Any], said: set[Any], meant: set[Any]
    ) -> None:
        """What is found is right if it is meant; what is said should be found."""
        self.counts[level, modality, "found"] += len(found)
        self.counts[level, modality, "right"] += len(found & meant)
        self.counts[level, modality, "said"] += len(said)
        self.counts[level, modality, "recalled"] += len(said & found)

    def f(self, level: str, modality: Modality) -> str:
        """The harmonic mean of precision and recall, over all clips together."""
        found, right, said, recalled = (
            self.counts[level, modality, name] for name in ("found", "right", "said", "recalled")
        )
        if not right or not recalled:
            return "-"
        precision, recall = right / found, recalled / said
        return f"{2 * precision * recall / (precision + recall):.2f}"

    def row(self) -> str:
        """One row of the table."""
        clips, labels = self.counts["clips"], self.counts["labels"]
        shares = (
            f"{self.counts['empty'] / clips:.0%}",
            f"{self.counts['right'] / clips:.0%}",
            f"{self.counts['unmatched'] / labels:.0%}" if labels else "-",
            f"{labels / clips:.1f}",
        )
        scores = (
            self.f(level, modality) for level in ("clip", "second") for modality in STREAMS.values()
        )
        return " | ".join((*shares, *scores))


def embed(clips: Path, files: Sequence[str], extractors: Sequence[Extractor]) -> dict[str, Any]:
    """What the backbones make of each file."""
    return {file: extract_features(clips / file, extractors) for file in files}


def print_background(features: Sequence[Features], classifiers: Sequence[Classifier]) -> None:
    """Write `background.toml`."""
    for classifier in classifiers:
        best_VK = np.array(
            [
                best(classifier.classify(f[classifier.name]))
                for f in features
                if classifier.name in f
            ]
        )
        chance_K = np.quantile(best_VK, QUANTILE, axis=0)
        others = np.median(chance_K)
        print(f"\n[{classifier.modality}]\nothers = {others:.3f}")
        for column in (-chance_K).argsort():
            if chance_K[column] >= SMALLEST[classifier.modality]:
                name = classifier.class_names[column].replace('"', '\\"')
                print(f'"{name}" = {chance_K[column]:.3f}')


def main(  # noqa: PLR0913 - one for each flag
    clips: Annotated[Path, tyro.conf.Positional],
    *,
    index: Path | None = None,
    events: Path | None = None,
    under: str = "",
    vocabularies: tuple[str, ...] = VOCABULARIES,
    timelines: Path | None = None,
    infer_seen: bool = False,
    without: tuple[str, ...] = (),
    calibrate: bool = False,
) -> None:
    """Print the table.

    Args:
        clips: the folder.
        index: its list of files; `index.csv` in the folder if left out.
        events: its annotations; `events.csv` in the folder if left out.
        under: take only files whose path begins so.
        vocabularies: names or files.
        timelines: a folder with `NAME.json` for each clip, to measure instead of parsing.
        infer_seen: as `parse --infer-seen`.
        without: streams to leave out.
        calibrate: print the background of all classes instead, as the teachers read it.
    """
    with (index or clips / "index.csv").open(encoding="utf-8", newline="") as file:
        files = [row["file"] for row in csv.DictReader(file) if row["file"].startswith(under)]
    classifiers = (YAMNetExtractor(), EfficientNetLite0Extractor())
    faces = FaceExtractor()
    extracted = {} if timelines else embed(clips, files, (*classifiers, faces))
    if calibrate:
        print_background([clip.features for clip in extracted.values()], classifiers)
        return
    annotations = read_annotations(events or clips / "events.csv")
    print(header())
    print(f"{len(files)} clips; F by the labels of the vocabulary, clip level and second level\n")
    print(
        "| vocabulary | empty | right label | unmatched labels | labels a clip | clip, audio | "
        "clip, visual | second, audio | second, visual |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name in vocabularies:
        vocabulary = load_vocabulary(name)
        meaning, tally = Meaning(vocabulary, classifiers), Tally()
        teacher = Teacher(vocabulary, classifiers, faces, infer_seen=infer_seen)
        for file in files:
            if timelines:
                timeline = Timeline.load(timelines / f"{Path(file).stem}.json")
            else:
                clip = extracted[file]
                kept = clip.features.keys() - without
                scores = teacher.predict({name: clip.features[name] for name in kept})
                timeline = decode(scores, duration=clip.duration, missing=clip.missing)
            tally.add(timeline, annotations[file], meaning)
        print(f"| {name} | {tally.row()} |")


if __name__ == "__main__":
    command(main)

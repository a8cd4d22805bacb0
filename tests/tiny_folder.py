"""A folder of own videos of different lengths: features, and annotations in several formats."""

import csv
from pathlib import Path

import numpy as np

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.batch import Streams
from mmpyramid.formats import to_audacity, to_csv, to_elan, to_tsv

WIDTHS = {"yamnet": 1024, "efficientnet_lite0": 1280}
STREAMS = Streams(audio={"yamnet": 1024}, visual={"efficientnet_lite0": 1280})
LABELS = ("bird", "rain")
WRITERS = {
    "csv": to_csv,
    "tsv": to_tsv,
    "eaf": to_elan,
    "labels.txt": to_audacity,
    "json": Timeline.to_json,
}


def name_of(number: int) -> str:
    return f"my holiday {number}"


def length_of(number: int) -> int:
    return 4 + number % 7


def events_of(number: int) -> list[Event]:
    length = length_of(number)
    kind = (Modality.AUDIO, Modality.VISUAL, Modality.AUDIO_VISUAL)[number % 3]
    return [Event(1.0, float(length - 1), LABELS[number % 2], kind)]


def write_features(folder: Path, num_videos: int) -> None:
    rng = np.random.default_rng(3)
    directions = {name: rng.normal(size=(len(LABELS), width)) for name, width in WIDTHS.items()}
    for number in range(num_videos):
        for name, width in WIDTHS.items():
            values = rng.normal(size=(length_of(number), width))
            side = Modality.AUDIO if name == "yamnet" else Modality.VISUAL
            for event in events_of(number):
                if event.modality in (side, Modality.AUDIO_VISUAL):
                    column = LABELS.index(event.label)
                    values[int(event.start) : int(event.end)] += 2 * directions[name][column]
            path = folder / "features" / name / f"{name_of(number)}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values.astype(np.float32))


def write_files(folder: Path, num_videos: int, formats=tuple(WRITERS)) -> None:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for number in range(num_videos):
        suffix = formats[number % len(formats)]
        timeline = Timeline(
            events=tuple(events_of(number)), duration=float(length_of(number)), labels=LABELS
        )
        path = folder / "annotations" / f"{name_of(number)}.{suffix}"
        path.write_text(WRITERS[suffix](timeline), encoding="utf-8")


def rows_of(num_videos: int) -> list[dict[str, str]]:
    return [
        {
            "video": f"{name_of(number)}.mp4",
            "label": event.label,
            "modality": event.modality.value,
            "onset": f"{event.start:g}",
            "offset": f"{event.end:g}",
        }
        for number in range(num_videos)
        for event in events_of(number)
    ]


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)

"""A corpus in the layout of UnAV-100, made here: annotations, and features that show them."""

import json
from pathlib import Path

import numpy as np

LABELS = ("man speaking", "dog barking", "raining")
SUBSETS = {"train": 24, "validation": 8, "test": 8}


def make(folder: Path) -> Path:
    """Write the files as they are distributed; videos last from 6 to 14 s."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(len(LABELS), 1024))
    features = folder / "av_features"
    features.mkdir(parents=True)
    database = {}
    for subset, count in SUBSETS.items():
        for number in range(count):
            name, duration = f"{subset}_{number}", round(float(random.uniform(6, 14)), 2)
            events = []
            for label_id in np.flatnonzero(random.random(len(LABELS)) < 0.6).tolist():
                start = round(float(random.uniform(0, duration - 3)), 3)
                end = round(float(random.uniform(start + 2, duration)), 3)
                segment = [start, end]
                events.append({"segment": segment, "label": LABELS[label_id], "label_id": label_id})
            database[name] = {"duration": duration, "annotations": events, "subset": subset}
            write_features(features, name, duration, events, directions)
    path = folder / "annotations" / "unav100_annotations.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"version": "unav100", "database": database}))
    return folder


def write_features(features, name, duration, events, directions):
    """Rows of 24 frames, one every 8 of 25 per second; VGGish has a row more."""
    count = int((duration * 25 - 24) // 8) + 1
    middle = (8 * np.arange(count + 1) + 12) / 25
    happens = np.zeros((count + 1, len(LABELS)))
    for event in events:
        start, end = event["segment"]
        happens[(start <= middle) & (middle < end), event["label_id"]] = 1
    for suffix, width, rows in (("rgb", 1024, count), ("flow", 1024, count), ("vggish", 128, None)):
        values = (happens @ directions[:, :width])[:rows]
        np.save(features / f"{name}_{suffix}.npy", values.astype(np.float32))

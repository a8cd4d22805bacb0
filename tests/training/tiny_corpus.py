"""A corpus of a few seconds to train on: random features in the published layout, three labels."""

from pathlib import Path

import numpy as np

LABELS = ("Dog", "Cat", "Car")
WIDTHS = {"vggish": 128, "res152": 2048, "r2plus1d_18": 512}


def make(folder: Path, num_train: int = 24, num_val: int = 8, seconds: int = 10) -> Path:
    """Write annotations and features; each label has its own direction in every stream."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    directions = {name: rng.normal(size=(len(LABELS), w)) for name, w in WIDTHS.items()}
    weak = {"train": [], "val_pd": [], "test_pd": []}
    dense = {"audio": [], "visual": []}
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    splits = ["train"] * num_train + ["val_pd"] * num_val + ["test_pd"] * num_val
    for video, split in enumerate(splits):
        label, start, end = video % len(LABELS), video % 4, 5 + video % 5
        name = f"clip{video:07d}_0_{seconds}"
        weak[split].append(f"{name}\t{LABELS[label]}")
        if split != "train":
            for rows in dense.values():
                rows.append(f"{name}\t{start}\t{end}\t{LABELS[label]}")
        for stream, width in WIDTHS.items():
            values = rng.normal(size=(seconds, width))
            values[start:end] += 2 * directions[stream][label]
            path = folder / "feats" / stream / f"{name[:11]}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values.astype(np.float32))
    for split, rows in weak.items():
        text = "\n".join(["filename\tevent_labels", *rows]) + "\n"
        (folder / f"AVVP_{split}.csv").write_text(text)
    for modality, rows in dense.items():
        text = "\n".join(["filename\tonset\toffset\tevent_labels", *rows]) + "\n"
        (folder / f"AVVP_eval_{modality}.csv").write_text(text)
    return folder

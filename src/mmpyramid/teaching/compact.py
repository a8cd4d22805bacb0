"""Trains the compact MM-Pyramid on a lesson of hundreds of clips; a fifth of them measures it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.base import LABELS_FILE
from mmpyramid.datasets.folder_files import TABLES
from mmpyramid.formats.tables import to_table
from mmpyramid.models import Network
from mmpyramid.teaching.examples import Lesson
from mmpyramid.teaching.learning import SIDES, Found, find
from mmpyramid.teaching.validation import NUM_FOLDS, folds_of

ENOUGH = 200
"""Corrected videos from which on a network is tried."""

TEST_FOLDS, VAL_FOLD = (0, 1), 2
"""Of ten folds: what the network is measured on, and what its epoch is chosen on."""


def train_compact(
    lesson: Lesson, folder: Path, seed: int = 0, device: str = "cpu"
) -> tuple[Network[Any, Any], Found]:
    """Train the recipe `folder` on a lesson.

    Args:
        lesson: clips, and what is said of them.
        folder: where the files of the training are meanwhile.
        seed: of the folds and of the training.
        device: where to train.

    Returns:
        The network, and what it finds in a fifth of the clips, which it was not trained on.

    Raises:
        UserError: if too few clips have times to choose the best epoch on.
    """
    from mmpyramid.training.recipes import RECIPES
    from mmpyramid.training.run import fit

    split_N = _splits(lesson, seed)
    config = RECIPES["folder"]()
    config.seed, config.device = seed, device
    with TemporaryDirectory(prefix="training-", dir=folder) as name:
        data = Path(name, "data")
        _write_folder(lesson, split_N, data)
        network = fit(config, data, Path(name, "run")).load_network().to("cpu")
    features = list(lesson.features.values())
    rows = np.flatnonzero(split_N == "test").tolist()
    return network, [(row, find(network, features[row])) for row in rows]


def _splits(lesson: Lesson, seed: int) -> NDArray[np.str_]:
    """The split of each clip; the epoch is chosen on clips whose times are known."""
    said_NC = np.logical_or(*(lesson.annotated(modality) for modality in SIDES))
    fold_N = folds_of(said_NC, NUM_FOLDS, seed)
    has_times_N = np.array([not video.weak for video in lesson.videos.values()])
    split_N = np.where(np.isin(fold_N, TEST_FOLDS), "test", "train")
    split_N[(fold_N == VAL_FOLD) & has_times_N] = "val"
    if not (said_NC[split_N == "val"]).any():
        raise UserError(
            "expected corrections with times to choose the best epoch of a network on, got hardly "
            "any; add the start and end of events, or take --method classifiers"
        )
    return split_N


def _write_folder(lesson: Lesson, split_N: NDArray[np.str_], folder: Path) -> None:
    """Write a lesson as a folder of own videos, see `mmpyramid.datasets.folder`."""
    rows: list[tuple[object, ...]] = []
    for (name, video), split in zip(lesson.videos.items(), split_N.tolist(), strict=True):
        file = f"{name}.mp4"  # As a name alone could lose what looks like a suffix.
        rows.append((file, "", "", "", "", split))
        rows += [
            (file, event.label, event.modality.value, event.start, event.end, split)
            for event, _ in video.events
            if event.label in lesson.labels
        ]
        rows += [
            (file, label, modality.value, "", "", split)
            for label, modality, _ in video.weak
            if label in lesson.labels
        ]
        for stream, values in lesson.features[name].items():
            path = folder / "features" / stream / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values)
    columns = ("video", "label", "modality", "onset", "offset", "split")
    (folder / TABLES[0]).write_text(to_table(columns, rows), encoding="utf-8")
    (folder / LABELS_FILE).write_text("\n".join(lesson.labels) + "\n", encoding="utf-8")

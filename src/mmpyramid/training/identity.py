"""Which data a result is of, so that it is not taken for one of other data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmpyramid.datasets.items import open_items
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.data import Split, read_annotations


def identify(
    config: TrainConfig,
    data: Path,
    features: Path | None = None,
    refined: Path | None = None,
    splits: Sequence[Split] = ("train", "val"),
) -> dict[str, str]:
    """Digests of what a run learns from; they do not depend on where the files lie.

    Args:
        config: the run.
        data: corpus folder.
        features: where the features are, if not in the corpus folder.
        refined: modality-aware labels of the training videos.
        splits: those whose annotations count.

    Returns:
        A digest of the `annotations`, of the `features` of the first video of the first split, and
        of the `refined` labels if there are any.

    Raises:
        UserError: if annotations or features cannot be used.
    """
    name = config.objective.problem
    annotations = {}
    for split in splits:
        objective = config.objective if split == "train" else None
        annotations[split] = vars(read_annotations(name, data, split, objective))
    items = open_items(name, data, splits[0], config.model.inputs, features)
    found: dict[str, Any] = {
        "annotations": annotations,
        "features": items.features(items.ids[0]),
    }
    if refined:
        found["refined"] = refined.read_bytes()
    return {name: _digest(value) for name, value in found.items()}


def _digest(value: Any) -> str:
    """Of arrays, of mappings of such, and of what `repr` tells all about."""
    if isinstance(value, Mapping):
        value = sorted((name, _digest(part)) for name, part in value.items())
    if isinstance(value, np.ndarray):
        value = value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
    return hashlib.sha256(repr(value).encode()).hexdigest()

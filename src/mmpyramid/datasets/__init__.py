"""Annotations and features as batches: one contract, `Dataset`, and one file for each layout."""

from __future__ import annotations

from pathlib import Path

from mmpyramid.core.batch import Streams
from mmpyramid.datasets import ave, folder, llp, ovavel, unav
from mmpyramid.datasets.base import (
    SPLITS,
    Dataset,
    Layout,
    Split,
    Supervision,
    check_not_empty,
    find_layout,
    register,
)
from mmpyramid.store.source import is_simulated

__all__ = [
    "SPLITS",
    "Dataset",
    "Layout",
    "Split",
    "Supervision",
    "ave",
    "folder",
    "is_simulated",
    "llp",
    "open_dataset",
    "ovavel",
    "register",
    "unav",
]


def open_dataset(
    data: Path,
    split: Split,
    streams: Streams | None = None,
    *,
    problem: str | None = None,
    features: Path | None = None,
    supervision: Supervision = Supervision(),  # noqa: B008 - never changed
) -> Dataset:
    """Open one split of a corpus folder, in whichever layout it is.

    Args:
        data: the corpus folder: annotations, with the features beside them.
        split: which split.
        streams: what the network reads; None opens the annotations alone.
        problem: what the data is for, `parsing` or `localization`, where a folder may have files
            of several layouts.
        features: where the features are, if not in the corpus folder.
        supervision: which labels of the training split may be seen.

    Raises:
        UserError: if the folder has the layout of another problem, annotations cannot be read, the
            split has no videos, or the features are not those that the network reads.

    Example:
        >>> streams = Streams(audio={"vggish": 128}, visual={"resnet152": 2048})
        >>> test = open_dataset(Path("LLP"), "test", streams)  # doctest: +SKIP
        >>> test.batch([0, 1]).streams["vggish"].shape  # doctest: +SKIP
        torch.Size([2, 10, 128])
    """
    layout = find_layout(data, problem)
    dataset = layout.open(data, split, streams, features=features, supervision=supervision)
    dataset.simulated = any(map(is_simulated, filter(None, (data, features))))
    check_not_empty(dataset, data, split)
    return dataset

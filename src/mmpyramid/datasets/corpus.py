"""A split of a corpus in memory: features on the annotations' segment grid, and labels.

Shape letters: N videos, B batch, T segments, D stream width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mmpyramid.core import Array
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.annotations import Annotations
from mmpyramid.store.npy import NpyFolder
from mmpyramid.store.source import FeatureSource, load_many
from mmpyramid.store.store import FeatureStore


class Corpus(Dataset[Batch]):
    """One split, ready to be batched: indexing with a list of rows gives a `Batch`.

    Everything is read once, so an epoch touches no file.

    Args:
        annotations: the split's videos and labels.
        source: where the features are.
        streams: what the network reads.
        modality_NMC: weak labels of each modality, if they are known.

    Raises:
        UserError: if features are missing or damaged; all problems are told together.
    """

    def __init__(
        self,
        annotations: Annotations,
        source: FeatureSource,
        streams: Streams,
        modality_NMC: Array | None = None,
    ) -> None:
        check_streams(source, streams)
        loaded = load_many(source, annotations.ids, tuple(streams.widths))
        num_segments = annotations.num_segments
        self.annotations, self.num_segments = annotations, num_segments
        self.streams = {
            name: torch.from_numpy(fit_segments(values, num_segments))
            for name, values in loaded.arrays.items()
        }
        lengths = torch.from_numpy(np.minimum(loaded.lengths, num_segments))
        self.mask_NT = torch.arange(num_segments)[None, :] < lengths[:, None]
        sides = (streams.audio, streams.visual)
        present = [np.logical_or.reduce([loaded.present[name] for name in side]) for side in sides]
        self.present_NM = torch.from_numpy(np.stack(present, axis=1))
        self.weak_NC = torch.from_numpy(annotations.weak)
        self.audio_NTC = _float(annotations.audio)
        self.visual_NTC = _float(annotations.visual)
        self.modality_NMC = None if modality_NMC is None else torch.from_numpy(modality_NMC)

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names."""
        return self.annotations.labels

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the videos."""
        return self.annotations.ids

    def __len__(self) -> int:
        return len(self.annotations.ids)

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """Give the batch of some rows; data loaders call this once per batch."""
        index = torch.as_tensor(rows)
        return Batch(
            streams={name: values[index] for name, values in self.streams.items()},
            mask_BT=self.mask_NT[index],
            present_BM=self.present_NM[index],
            weak_BC=self.weak_NC[index],
            audio_BTC=None if self.audio_NTC is None else self.audio_NTC[index],
            visual_BTC=None if self.visual_NTC is None else self.visual_NTC[index],
            modality_BMC=None if self.modality_NMC is None else self.modality_NMC[index],
        )


class Described(Protocol):
    """What tells its streams and where it is."""

    @property
    def streams(self) -> Mapping[str, int]:
        """Width of every stream by name."""
        ...

    def describe(self) -> str:
        """What it is, on one line."""
        ...


def check_streams(source: Described, streams: Streams) -> None:
    """Refuse features that are not those that a network reads.

    Raises:
        UserError: if a stream is missing or has another width.
    """
    held = source.streams
    unknown = [
        f"{name} ({width})" for name, width in streams.widths.items() if held.get(name) != width
    ]
    if unknown:
        raise UserError(
            f"the network reads the streams {', '.join(unknown)}, the features "
            f"({source.describe()}) hold "
            f"{', '.join(f'{name} ({width})' for name, width in held.items())}; choose a recipe "
            "for these features, or extract the streams that it reads"
        )


def fit_segments(values: Array, num_segments: int) -> Array:
    """Cut or zero-pad (N, T, ..., D) to the annotations' number of segments."""
    surplus = num_segments - values.shape[1]
    if surplus <= 0:
        return np.ascontiguousarray(values[:, :num_segments])
    return np.pad(values, ((0, 0), (0, surplus), *[(0, 0)] * (values.ndim - 2)))


def open_source(data: Path, features: Path | None = None) -> FeatureSource:
    """Find the features of a corpus folder.

    Args:
        data: the corpus: annotations, with `features/` (a store written by `mmpyramid extract`) or
            `feats/` (the published layout) beside them.
        features: a store or a published folder elsewhere.

    Raises:
        UserError: if there is neither.
    """
    candidates = [features] if features else [data / "features", data / "feats"]
    for folder in candidates:
        if FeatureStore.is_store(folder):
            return FeatureStore(folder)
        if NpyFolder.is_published(folder):
            return NpyFolder(folder)
    raise UserError(
        f"expected features in {' or '.join(map(str, candidates))}: a store written by "
        "`mmpyramid extract`, or the published folders `vggish`, `res152` and `r2plus1d_18` of "
        ".npy files"
    )


def _float(truth: NDArray[np.bool_] | None) -> torch.Tensor | None:
    return None if truth is None else torch.from_numpy(truth.astype(np.float32))

"""The features that go with the annotations of a split, found by id.

Shape letters: N videos, B batch, T segments, D stream width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Features
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import UserError
from mmpyramid.core.progress import progress
from mmpyramid.store.mapped import FeatureTable
from mmpyramid.store.npy import NpyFolder, StreamFolders
from mmpyramid.store.source import FeatureSource
from mmpyramid.store.store import FeatureStore


class FeatureReader(Protocol):
    """Reads the features of a split by row."""

    def check(self) -> None:
        """Check all rows.

        Raises:
            UserError: one report of all that is wrong.
        """
        ...

    def batch(self, rows: Sequence[int]) -> Batch:
        """The features of some rows, without labels."""
        ...

    def item(self, video_id: str) -> Features:
        """The features of one video; see `Dataset.item`."""
        ...


class ById:
    """Features that a source has by id.

    Args:
        source: where they are.
        ids: the N videos, by row.
        streams: what the network reads.
        num_segments: T; longer videos are cut, shorter ones padded. None takes the longest video of
            each batch.

    Raises:
        UserError: if the source lacks a stream or has it in another width.
    """

    def __init__(
        self,
        source: FeatureSource,
        ids: Sequence[str],
        streams: Streams,
        num_segments: int | None = None,
    ) -> None:
        check_streams(source, streams)
        self.source, self.ids, self.streams = source, ids, streams
        self.num_segments = num_segments

    def check(self) -> None:
        """Check all rows; what has to be packed is packed."""
        _ = self._table

    def batch(self, rows: Sequence[int]) -> Batch:
        """The features of some rows, without labels."""
        import torch

        table, index = self._table, np.asarray(rows)
        T = self.num_segments or int(self.lengths[index].max(initial=0))
        lengths = torch.from_numpy(np.minimum(table.lengths[index], T))
        present_BM = np.zeros((len(index), 2), np.bool_)
        for modality, side in enumerate((self.streams.audio, self.streams.visual)):
            for name in side:
                present_BM[:, modality] |= table.present[name][index]
        return Batch(
            streams={name: torch.from_numpy(read) for name, read in table.read(rows, T).items()},
            mask_BT=torch.arange(T)[None, :] < lengths[:, None],
            present_BM=torch.from_numpy(present_BM),
        )

    def item(self, video_id: str) -> Features:
        """The features of one video at its own length."""
        return self.source.load(video_id, self.names)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) number of segments of each video."""
        return self._table.lengths

    @property
    def names(self) -> Collection[str]:
        """The streams that are read."""
        return tuple(self.streams.widths)

    @cached_property
    def _table(self) -> FeatureTable:
        with progress("check features") as update:
            return self.source.table(self.ids, self.names, update)


class Described(Protocol):
    """What names its streams and where it is, and knows which videos it has."""

    def __contains__(self, video_id: object) -> bool:
        """Whether it has features of a video."""
        ...

    @property
    def streams(self) -> Mapping[str, int]:
        """Width of every stream by name."""
        ...

    def describe(self) -> str:
        """What it is, on one line."""
        ...


def check_streams(source: Described, streams: Streams) -> None:
    """Check that features are those that a network reads.

    Raises:
        UserError: if a stream is missing or has another width.
    """
    found = source.streams
    unknown = [
        f"{name} ({width})" for name, width in streams.widths.items() if found.get(name) != width
    ]
    if unknown:
        raise UserError(
            f"the network reads the streams {', '.join(unknown)}, the features "
            f"({source.describe()}) hold "
            f"{', '.join(f'{name} ({width})' for name, width in found.items())}; choose a recipe "
            "for these features, or extract the streams that it reads"
        )


def open_source(data: Path, features: Path | None = None) -> FeatureSource:
    """Find the features of a corpus folder.

    Args:
        data: the corpus: annotations, with `features/` (a store written by `mmpyramid extract`) or
            `feats/` (the published layout) beside them; each may also have a folder of .npy files
            for each stream.
        features: such a folder elsewhere.

    Raises:
        UserError: if there is neither.
    """
    candidates = [features] if features else [data / "features", data / "feats"]
    for folder in candidates:
        if FeatureStore.is_store(folder):
            return FeatureStore(folder)
        if NpyFolder.is_published(folder):
            return NpyFolder(folder)
        if StreamFolders.has_some(folder):
            return StreamFolders(folder)
    raise UserError(
        f"expected features in {' or '.join(map(str, candidates))}: a store written by "
        "`mmpyramid extract`, the published folders `vggish`, `res152` and `r2plus1d_18` of "
        ".npy files, or a folder of <video>.npy for each stream"
    )

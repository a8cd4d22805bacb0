"""A split of an event localization corpus (AVE), ready to be batched.

Shape letters: N clips, B batch, T segments, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.annotations import Annotations
from mmpyramid.datasets.ave import EventAnnotations
from mmpyramid.datasets.ave_features import AveFolder, ClipReader
from mmpyramid.datasets.ave_files import WITHOUT_BACKGROUND_CLIPS
from mmpyramid.datasets.corpus import Corpus, check_streams, open_source
from mmpyramid.store.source import FeatureSource


class EventCorpus(Dataset[Batch]):
    """One split: indexing with a list of rows gives a `Batch` with `weak_BC` and `segment_BT`.

    The published files are read batch by batch, any other source is loaded into memory once.

    Args:
        annotations: the split's clips and labels.
        source: where the features are.
        streams: what the network reads.

    Raises:
        UserError: if features are missing, damaged, or of other streams or shapes.

    Example:
        >>> annotations = read_ave("AVE-ECCV18", "test")  # doctest: +SKIP
        >>> streams = Streams(audio={"vggish": 128}, visual={"vgg19": 512})
        >>> corpus = EventCorpus(annotations, AveFolder("AVE-ECCV18"), streams)  # doctest: +SKIP
        >>> corpus.__getitems__([0, 7]).streams["vgg19"].shape  # doctest: +SKIP
        torch.Size([2, 10, 7, 7, 512])
    """

    def __init__(
        self, annotations: EventAnnotations, source: AveFolder | FeatureSource, streams: Streams
    ) -> None:
        self.annotations, self.num_segments = annotations, annotations.num_segments
        self._features: Corpus | _Files
        if isinstance(source, AveFolder):
            self._features = _Files(annotations, source, streams)
        else:
            self._features = Corpus(_by_id(annotations), source, streams)
        self.weak_NC = torch.from_numpy(annotations.weak)
        self.segment_NT = torch.from_numpy(annotations.segment)

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names."""
        return self.annotations.labels

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the videos."""
        return self.annotations.ids

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """Give the batch of some rows; data loaders call this once per batch."""
        index = torch.as_tensor(rows)
        return replace(
            self._features.__getitems__(rows),
            weak_BC=self.weak_NC[index],
            segment_BT=self.segment_NT[index],
        )


class _Files:
    """The published files, of which each batch reads its own rows."""

    def __init__(self, annotations: EventAnnotations, source: AveFolder, streams: Streams) -> None:
        check_streams(source, streams)
        self._present_M = torch.tensor([bool(streams.audio), bool(streams.visual)])
        self._num_segments = annotations.num_segments
        self._reader = ClipReader(
            source,
            tuple(streams.widths),
            annotations.rows,
            annotations.noisy,
            annotations.num_segments,
        )

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        features = self._reader.read(np.asarray(rows))
        return Batch(
            streams={name: torch.from_numpy(values) for name, values in features.items()},
            mask_BT=torch.ones(len(rows), self._num_segments, dtype=torch.bool),
            present_BM=self._present_M.repeat(len(rows), 1),
        )


def open_events(data: Path, features: Path | None = None) -> AveFolder | FeatureSource:
    """Find the features of an event localization corpus.

    Args:
        data: the corpus folder: the published feature files beside the annotations, or `features/`
            (a store written by `mmpyramid extract`).
        features: such files, or a store, elsewhere.

    Raises:
        UserError: if there is neither.
    """
    folder = data if features is None else features
    return AveFolder(folder) if AveFolder.is_published(folder) else open_source(data, features)


def _by_id(annotations: EventAnnotations) -> Annotations:
    """The clips as videos whose features are found by id."""
    if annotations.noisy.any():
        raise UserError(
            f"expected clips whose features can be found by id, but {annotations.noisy.sum()} are "
            "background clips of the noisy set, of which only the published features remain."
            f"{WITHOUT_BACKGROUND_CLIPS}"
        )
    return Annotations(
        ids=annotations.ids,
        names=annotations.ids,
        labels=(*annotations.labels, "background"),
        num_segments=annotations.num_segments,
        weak=annotations.weak,
    )

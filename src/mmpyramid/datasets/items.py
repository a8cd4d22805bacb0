"""The single items of a corpus by id: features to score, and what is annotated.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from mmpyramid.core import Features, Modality
from mmpyramid.core.batch import Streams
from mmpyramid.datasets.annotations import Annotations, Mask
from mmpyramid.datasets.ave import EventAnnotations, read_ave
from mmpyramid.datasets.ave_features import AveFolder, ClipReader
from mmpyramid.datasets.corpus import check_streams, open_source
from mmpyramid.datasets.event_corpus import open_events
from mmpyramid.datasets.llp import Split, read_llp
from mmpyramid.store.source import FeatureSource


class Items(Protocol):
    """A split of a corpus, item by item."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the order of the annotations."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names."""
        ...

    def features(self, item_id: str) -> Features:
        """Load the features of one item.

        Raises:
            UserError: if they are missing or damaged.
        """
        ...

    def truth(self, item_id: str) -> Mapping[Modality, Mask]:
        """What is annotated in one item: (T, C) by modality, True where a class is perceived.

        Raises:
            UserError: if the split has weak labels only.
        """
        ...


@dataclass(frozen=True, eq=False)
class ParsingItems:
    """Items in the layout of LLP, where hearing and seeing are annotated apart."""

    annotations: Annotations
    source: FeatureSource
    streams: Collection[str]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the order of the annotations."""
        return self.annotations.ids

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names."""
        return self.annotations.labels

    def features(self, item_id: str) -> Features:
        """Load the features of one item."""
        return self.source.load(item_id, self.streams)

    def truth(self, item_id: str) -> Mapping[Modality, Mask]:
        """What is heard, what is seen, and where both are."""
        row = self.ids.index(item_id)
        audio_TC, visual_TC = (mask_NTC[row] for mask_NTC in self.annotations.truth)
        return {
            Modality.AUDIO: audio_TC,
            Modality.VISUAL: visual_TC,
            Modality.AUDIO_VISUAL: audio_TC & visual_TC,
        }


@dataclass(frozen=True, eq=False)
class LocalizationItems:
    """Items in the layout of AVE, where an event is heard and seen at once.

    A video of two clips, which differ in their category, is one item with the events of both.
    """

    annotations: EventAnnotations
    source: AveFolder | FeatureSource
    streams: Collection[str]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the order of the annotations."""
        return tuple(dict.fromkeys(self.annotations.ids))

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names, without background."""
        return self.annotations.labels

    def features(self, item_id: str) -> Features:
        """Load the features of one item; of published files, the rows of its first clip."""
        if not isinstance(self.source, AveFolder):
            return self.source.load(item_id, self.streams)
        known = self.annotations
        clip = [known.ids.index(item_id)]
        reader = ClipReader(
            self.source, self.streams, known.rows[clip], known.noisy[clip], known.num_segments
        )
        return {name: values[0] for name, values in reader.read(np.zeros(1, np.int64)).items()}

    def truth(self, item_id: str) -> Mapping[Modality, Mask]:
        """Where the events are."""
        clips = [clip for clip, other in enumerate(self.annotations.ids) if other == item_id]
        classes = np.arange(len(self.labels))
        mask_TC: Mask = (self.annotations.segment[clips][..., None] == classes).any(axis=0)
        return {Modality.AUDIO_VISUAL: mask_TC}


def open_items(
    task: str, data: Path, split: Split, streams: Streams, features: Path | None = None
) -> Items:
    """Open a split item by item.

    Args:
        task: `parsing` reads the layout of LLP, `localization` that of AVE.
        data: the corpus folder: annotations, with the features beside them.
        split: which split.
        streams: what the network reads.
        features: where the features are, if not in the corpus folder.

    Raises:
        UserError: if annotations or features cannot be used.

    Example:
        >>> streams = Streams(audio={"vggish": 128}, visual={"resnet152": 2048})
        >>> items = open_items("parsing", Path("LLP"), "test", streams)  # doctest: +SKIP
        >>> items.features(items.ids[0])["vggish"].shape  # doctest: +SKIP
        (10, 128)
    """
    assert task in {"parsing", "localization"}, task
    names = tuple(streams.widths)
    if task == "parsing":
        annotations, source = read_llp(data, split), open_source(data, features)
        check_streams(source, streams)
        return ParsingItems(annotations, source, names)
    events, clips = read_ave(data, split), open_events(data, features)
    check_streams(clips, streams)
    return LocalizationItems(events, clips, names)

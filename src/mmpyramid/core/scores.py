"""The features of one video, and what a scorer says of it, segment by segment.

Axes: T segments of one second, C classes, L pyramid units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError

Array: TypeAlias = NDArray[np.float32]
Features: TypeAlias = Mapping[str, Array]
"""One video's features by stream name, each (T, D) or (T, H, W, D).

A stream whose modality the file lacks has no entry.
"""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (videos completed, videos in total) after each video."""


class AnyScores(ABC):
    """What a scorer says of one video, whatever the problem: a frozen dataclass.

    Attributes:
        problem: name of the problem, whose decision rule reads the scores.
        labels: the C class names.
        unit_weights: (T, 2, L) weight of each of L pyramid units in the audio and the visual
            features of each segment, within 0..1, if the scorer has such units.
        nearest: notes for a timeline without events: what came nearest to one.
        inferred: labels that are told to be seen only because they are heard.
    """

    problem: ClassVar[str]
    labels: tuple[str, ...]
    unit_weights: Array | None
    nearest: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()

    @property
    @abstractmethod
    def num_segments(self) -> int:
        """T, the number of one-second segments."""

    @abstractmethod
    def per_segment(self) -> dict[str, Array]:
        """What a stream of segments is decided from: (T, ...) by field.

        What is said of the whole video stands in each segment, so that segments can be taken apart
        and put together again. Weights of pyramid units are left out.
        """

    def segments(self, start: int, stop: int) -> Self:
        """The scores of some segments."""
        return self._with({name: rows[start:stop] for name, rows in self.per_segment().items()})

    def joined(self, more: Self) -> Self:
        """The scores of these segments and of those that come after them."""
        after = more.per_segment()
        return self._with(
            {name: np.concatenate((rows, after[name])) for name, rows in self.per_segment().items()}
        )

    def _with(self, rows: Mapping[str, Array]) -> Self:
        changed: Self = replace(self, unit_weights=None, **rows)  # type: ignore[type-var]
        return changed

    def _check_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Check the arrays that are there against their shapes, and the unit weights.

        Raises:
            UserError: if a shape is another.
        """
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise UserError(
                    f"scores of {self.num_segments} segments and {len(self.labels)} labels need "
                    f"`{name}` of shape {shape}, got {value.shape}"
                )
        check_unit_weights(self.unit_weights, self.num_segments)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores(AnyScores):
    """Probabilities of one video for T segments (1 s each) and C classes, float32.

    Attributes:
        audio: (T, C) probability that the class can be heard in the segment.
        visual: (T, C) probability that the class can be seen in the segment.
        video: (C,) probability that the class occurs in the video at all.
        labels: the C class names.
        video_audio: (C,) video-level probability of the audio stream alone, if the scorer has one.
        video_visual: (C,) the same of the visual stream alone.
        local_video: (T, C) video-level probability of the surroundings of each segment, for videos
            longer than those the network was trained on; `decode` gates with it instead of `video`.
        unit_weights: (T, 2, L) weight of each of L pyramid units in the audio and the visual
            features of each segment, within 0..1, if the network has such units.
        nearest: notes for a timeline without events: what came nearest to one.
        inferred: labels that are told to be seen only because they are heard.

    Raises:
        UserError: if the shapes do not agree.
    """

    problem: ClassVar[str] = "parsing"

    audio: Array
    visual: Array
    video: Array
    labels: tuple[str, ...]
    video_audio: Array | None = None
    video_visual: Array | None = None
    local_video: Array | None = None
    unit_weights: Array | None = None
    nearest: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        num_classes, num_segments = len(self.labels), len(self.audio)
        per_segment: tuple[int, ...] = (num_segments, num_classes)
        per_video: tuple[int, ...] = (num_classes,)
        shapes = dict.fromkeys(("audio", "visual", "local_video"), per_segment)
        shapes |= dict.fromkeys(("video", "video_audio", "video_visual"), per_video)
        self._check_shapes(shapes)

    @property
    def num_segments(self) -> int:
        """T, the number of one-second segments."""
        return len(self.audio)

    def per_segment(self) -> dict[str, Array]:
        """Both streams, and the global gate of each segment."""
        gate = self.video if self.local_video is None else self.local_video
        gate_TC = np.broadcast_to(gate, self.audio.shape)
        return {"audio": self.audio, "visual": self.visual, "local_video": gate_TC}


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalizationScores(AnyScores):
    """What a localization network says of one video: T segments, C categories, float32.

    An event of this problem is heard and seen at once, and a video has one category.

    Attributes:
        relevance: (T,) probability that an event happens in the segment.
        category: (C,) probability of each category in the video; what they lack to 1 is background.
        labels: the C category names.
        local_category: (T, C) category probabilities of the surroundings of each segment, for
            videos longer than those the network was trained on; `decode` reads it instead of
            `category`.
        unit_weights: as in `Scores`.

    Raises:
        UserError: if the shapes do not agree.
    """

    problem: ClassVar[str] = "localization"

    relevance: Array
    category: Array
    labels: tuple[str, ...]
    local_category: Array | None = None
    unit_weights: Array | None = None

    def __post_init__(self) -> None:
        num_segments, num_classes = len(self.relevance), len(self.labels)
        shapes: dict[str, tuple[int, ...]] = {
            "relevance": (num_segments,),
            "category": (num_classes,),
            "local_category": (num_segments, num_classes),
        }
        self._check_shapes(shapes)

    @property
    def num_segments(self) -> int:
        """T, the number of one-second segments."""
        return len(self.relevance)

    @property
    def categories(self) -> Array:
        """The category probabilities that hold in each segment, (T, C)."""
        if self.local_category is not None:
            return self.local_category
        return np.broadcast_to(self.category, (self.num_segments, len(self.labels)))

    def per_segment(self) -> dict[str, Array]:
        """The relevance, and the categories of each segment."""
        return {"relevance": self.relevance, "local_category": self.categories}


def check_unit_weights(weights: Array | None, num_segments: int) -> None:
    """Refuse weights of pyramid units that are not (T, 2, L).

    Raises:
        UserError: if the shape is wrong.
    """
    if weights is not None and (weights.ndim != 3 or weights.shape[:2] != (num_segments, 2)):
        raise UserError(
            f"scores of {num_segments} segments need `unit_weights` of shape "
            f"({num_segments}, 2, units), got {weights.shape}"
        )

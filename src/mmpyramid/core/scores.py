"""What a scorer says of one video, segment by segment.

Axes: T segments of one second, C classes, L pyramid units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mmpyramid.core.arrays import Array
from mmpyramid.core.errors import UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
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

    Raises:
        UserError: if the shapes do not agree.
    """

    audio: Array
    visual: Array
    video: Array
    labels: tuple[str, ...]
    video_audio: Array | None = None
    video_visual: Array | None = None
    local_video: Array | None = None
    unit_weights: Array | None = None

    def __post_init__(self) -> None:
        num_classes, num_segments = len(self.labels), len(self.audio)
        per_segment: tuple[int, ...] = (num_segments, num_classes)
        per_video: tuple[int, ...] = (num_classes,)
        shapes = dict.fromkeys(("audio", "visual", "local_video"), per_segment)
        shapes |= dict.fromkeys(("video", "video_audio", "video_visual"), per_video)
        _check_shapes(self, shapes)

    @property
    def num_segments(self) -> int:
        """T, the number of one-second segments."""
        return len(self.audio)


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalizationScores:
    """What a localization network says of one video: T segments, C categories, float32.

    An event of this task is heard and seen at once, and a video has one category.

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
        _check_shapes(self, shapes)

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


AnyScores: TypeAlias = Scores | LocalizationScores
"""What a scorer of either task gives."""


def _check_shapes(scores: AnyScores, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        value = getattr(scores, name)
        if value is not None and value.shape != shape:
            raise UserError(
                f"scores of {scores.num_segments} segments and {len(scores.labels)} labels need "
                f"`{name}` of shape {shape}, got {value.shape}"
            )
    check_unit_weights(scores.unit_weights, scores.num_segments)


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

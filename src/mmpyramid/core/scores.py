"""The features of one video, what a scorer says of it by segment, and the settings of decisions.

Axes: T segments of one second, C classes, L pyramid units.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.timeline import Modality

Gate: TypeAlias = Literal["global", "per_modality", "none"]

GATES: tuple[Gate, ...] = ("global", "per_modality", "none")

NUM_BEST = 3
"""A label is as sure in a video as in its best three seconds on average: one alone may mislead."""

LONE = 0.9
"""As sure as this a second has to be to count alone, as for a single bark in a long video."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """How probabilities become decisions; the defaults are the official rule of LLP.

    The official rule (HAN, MM-Pyramid): a class is on in a segment when its segment probability and
    its probability for the whole video both reach 0.5. Tune the fields on validation data; the
    network is not needed for that.

    Attributes:
        threshold: A segment counts as positive if its probability is at least this.
        visual_threshold: The same for what is seen; None takes `threshold`.
        video_threshold: A label needs at least this probability in the video as a whole, too.
        gate: Which video-level probability that is. `global`: that of the whole video,
            for both modalities (HAN, MM-Pyramid); `per_modality`: that of the modality itself (MA);
            `none` compares none. None takes the gate that the network was trained with, else
            `global`.
        max_gap: Gaps of up to this many seconds between two runs of a label are filled.
        min_length: Runs shorter than this many seconds are dropped, once gaps are filled. A last
            segment that the end of the video cuts off counts as a whole second. In parsing,
            these are the audible and the visible runs; `audio_visual` events are where they
            overlap, and may be shorter.

    Raises:
        UserError: if a threshold is outside 0..1, a length is negative or not finite, or the
            gate is unknown.

    Example:
        >>> Decoder(threshold=0.4, gate="per_modality").gate
        'per_modality'
    """

    threshold: float = 0.5
    visual_threshold: float | None = None
    video_threshold: float = 0.5
    gate: Gate | None = None
    max_gap: float = 0.0
    min_length: float = 0.0

    def with_sensitivity(self, sensitivity: float) -> Decoder:
        """The same with the one dial for people: both thresholds move together.

        Args:
            sensitivity: 0 lets only certain labels through, 0.5 is the official rule, 1 all labels.

        Raises:
            UserError: if it is outside 0..1, or a threshold has been chosen already.

        Example:
            >>> decoder = Decoder(max_gap=1).with_sensitivity(0.75)
            >>> decoder.threshold, decoder.video_threshold, decoder.max_gap
            (0.25, 0.25, 1)
        """
        if not 0 <= sensitivity <= 1:
            raise UserError(
                f"expected `sensitivity` within 0..1, got {sensitivity}; 0.5 is the default"
            )
        chosen = (self.threshold, self.visual_threshold, self.video_threshold)
        if chosen != (0.5, None, 0.5):
            raise UserError(
                "expected either the sensitivity, which moves all thresholds together, or "
                "thresholds; got both"
            )
        return replace(self, threshold=1 - sensitivity, video_threshold=1 - sensitivity)

    def __post_init__(self) -> None:
        for name in ("threshold", "visual_threshold", "video_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"expected `{name}` within 0..1, got {value}; 0.5 is the default")
        for name in ("max_gap", "min_length"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise UserError(
                    f"expected `{name}` in seconds, 0 or more, got {value}; 3600 is an hour"
                )
        if self.gate is not None and self.gate not in GATES:
            raise UserError(f"expected `gate` to be one of {', '.join(GATES)}, got {self.gate!r}")


Array: TypeAlias = NDArray[np.float32]
Features: TypeAlias = Mapping[str, Array]
"""One video's features by stream name, each (T, D) or (T, H, W, D).

A stream whose modality the file lacks has no entry.
"""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known about a video besides its features.

    Attributes:
        duration: seconds.
        missing: the modalities that the file does not have.
        notes: remarks for the reader, for instance that the file is damaged after some second.
        frame_rate: pictures per second as a timeline has it; stores do not keep it.
    """

    duration: float
    missing: tuple[Modality, ...] = ()
    notes: tuple[str, ...] = ()
    frame_rate: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extracted(VideoInfo):
    """The features of one video, (T, ..., D) by stream, and what is known about it."""

    features: Features = field(default_factory=dict)


Progress: TypeAlias = Callable[[int, int], None]
"""Called with (videos completed, videos in total) after each video."""


class AnyScores(ABC):
    """What a scorer says of one video, whatever the problem: a frozen dataclass.

    Attributes:
        problem: name of the problem, whose decision rule reads the scores.
        labels: the C class names.
        unit_weights: (T, 2, L) weight of each of L pyramid units in the audio and the visual
            features of each segment, within 0..1, if the scorer has such units.
        nearest: notes for a timeline without events: the classes that came closest.
        inferred: labels that are reported as seen only because they are heard.

    Example:
        >>> from mmpyramid.core import LocalizationScores
        >>> issubclass(LocalizationScores, AnyScores), LocalizationScores.problem
        (True, 'localization')
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
        nearest: notes for a timeline without events: the classes that came closest.
        inferred: labels that are reported as seen only because they are heard.

    Raises:
        UserError: if the shapes do not agree.

    Example:
        >>> prob_TC = np.array([[0.9], [0.2]], np.float32)
        >>> scores = Scores(audio=prob_TC, visual=1 - prob_TC, video=prob_TC[0], labels=("Dog",))
        >>> scores.audio.shape, scores.labels
        ((2, 1), ('Dog',))
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

    Example:
        >>> scores = LocalizationScores(
        ...     relevance=np.array([0.9, 0.2], np.float32),
        ...     category=np.array([0.8, 0.1], np.float32),
        ...     labels=("Bark", "Bus"),
        ... )
        >>> scores.num_segments
        2
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


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionScores(AnyScores):
    """What a detector of dense events says of one video: T segments, C classes, float32.

    Events of this problem are heard and seen at once; several happen at the same time.

    Attributes:
        happens: (T, C) probability that an event of the class is going on in the segment.
        extent: (T, C, 2) seconds that it lasts before and after the middle of the segment.
        labels: the C class names.
        unit_weights: as in `Scores`.

    Raises:
        UserError: if the shapes do not agree.

    Example:
        >>> scores = DetectionScores(
        ...     happens=np.full((10, 2), 0.5, np.float32),
        ...     extent=np.ones((10, 2, 2), np.float32),
        ...     labels=("Dog", "Rain"),
        ... )
        >>> scores.num_segments
        10
    """

    problem: ClassVar[str] = "detection"

    happens: Array
    extent: Array
    labels: tuple[str, ...]
    unit_weights: Array | None = None

    def __post_init__(self) -> None:
        shape = (len(self.happens), len(self.labels))
        self._check_shapes({"happens": shape, "extent": (*shape, 2)})

    @property
    def num_segments(self) -> int:
        """T, the number of one-second segments."""
        return len(self.happens)

    def per_segment(self) -> dict[str, Array]:
        """Probabilities and extents."""
        return {"happens": self.happens, "extent": self.extent}


def check_unit_weights(weights: Array | None, num_segments: int) -> None:
    """Refuse weights of pyramid units that are not (T, 2, L).

    Raises:
        UserError: if the shape is wrong.

    Example:
        >>> check_unit_weights(np.zeros((10, 2, 4), np.float32), num_segments=10)
    """
    if weights is not None and (weights.ndim != 3 or weights.shape[:2] != (num_segments, 2)):
        raise UserError(
            f"scores of {num_segments} segments need `unit_weights` of shape "
            f"({num_segments}, 2, units), got {weights.shape}"
        )

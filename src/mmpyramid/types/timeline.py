"""What is carried between the rooms: `Features`, `Scores`, `Event`, `Timeline`. No torch here."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.errors import UserError

TIMELINE_FORMAT = "mmpyramid-timeline-1"

Array: TypeAlias = NDArray[np.float32]
Features: TypeAlias = Mapping[str, Array]
"""One video's features by stream name, each (T, D) or (T, H, W, D).

A stream whose modality the file lacks has no entry.
"""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (videos completed, videos in total) after each video."""


class Modality(StrEnum):
    """Where an event is perceived: it can be heard, seen, or both in the same second."""

    AUDIO = "audio"
    VISUAL = "visual"
    AUDIO_VISUAL = "audio_visual"


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
        expected = dict.fromkeys(("audio", "visual", "local_video"), per_segment)
        expected |= dict.fromkeys(("video", "video_audio", "video_visual"), per_video)
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise UserError(
                    f"scores of {num_segments} segments and {num_classes} labels need `{name}` "
                    f"of shape {shape}, got {value.shape}"
                )
        check_unit_weights(self.unit_weights, num_segments)

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
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise UserError(
                    f"scores of {num_segments} segments and {num_classes} labels need `{name}` "
                    f"of shape {shape}, got {value.shape}"
                )
        check_unit_weights(self.unit_weights, num_segments)

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


@dataclass(frozen=True, order=True, slots=True)
class Event:
    """One event: `label` is perceived through `modality` from `start` to `end`, with a score.

    Times are seconds from the start of the video; the score lies within 0..1.

    Events order by start, end, label, modality.

    Raises:
        UserError: if the times are not finite and ordered, or the score is outside 0..1.

    Example:
        >>> Event(start=3.0, end=5.0, label="Dog", modality=Modality.AUDIO, score=0.9).duration
        2.0
    """

    start: float
    end: float
    label: str
    modality: Modality
    score: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end) and self.start < self.end):
            raise UserError(
                f"an event needs start < end in seconds, got {self.start}..{self.end} "
                f"({self.label})"
            )
        if not 0 <= self.score <= 1:
            raise UserError(f"an event's score lies within 0..1, got {self.score} ({self.label})")

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Sorted events of one video, and what is needed to read them.

    Attributes:
        events: the events, sorted.
        duration: length of the video in seconds.
        labels: every label that the scorer knows, in its order.
        source: the video's path or id, as given.
        model: what made the scores.
        missing: the modalities that the file does not have, so that "nothing heard" and "no sound"
            differ.
        notes: what a reader should know, for instance that the file is damaged after some second.

    Example:
        >>> event = Event(1.0, 4.0, "Dog", Modality.AUDIO, 0.8)
        >>> timeline = Timeline(events=(event,), duration=10.0, labels=("Dog", "Cat"))
        >>> timeline == Timeline.from_json(timeline.to_json())
        True
    """

    events: tuple[Event, ...] = ()
    duration: float = 0.0
    labels: tuple[str, ...] = ()
    source: str = ""
    model: str = ""
    missing: tuple[Modality, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(sorted(self.events)))
        unknown = sorted({event.label for event in self.events} - set(self.labels))
        if unknown:
            raise UserError(
                f"events carry labels that the timeline does not list: {', '.join(unknown)}"
            )

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def of(self, modality: Modality | str) -> Timeline:
        """The same timeline with the events of one modality only."""
        return replace(
            self, events=tuple(e for e in self.events if e.modality == Modality(modality))
        )

    def to_json(self) -> str:
        """Write as ASCII JSON, lossless: `from_json` gives an equal timeline."""
        return json.dumps({"format": TIMELINE_FORMAT, **asdict(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Timeline:
        """Read what `to_json` wrote.

        Raises:
            UserError: if the text is not such JSON.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("format", None) != TIMELINE_FORMAT:
                raise UserError(f"expected a timeline JSON whose `format` is `{TIMELINE_FORMAT}`")
            events = [
                {**event, "modality": Modality(event["modality"])} for event in data["events"]
            ]
            data["events"] = tuple(Event(**event) for event in events)
            data["missing"] = tuple(Modality(name) for name in data["missing"])
            data["labels"], data["notes"] = tuple(data["labels"]), tuple(data["notes"])
            return cls(**data)
        except UserError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            names = ", ".join(f.name for f in fields(cls))
            raise UserError(
                f"expected a timeline JSON with the fields {names}; reading failed with: {error!r}"
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Timeline:
        """Read the JSON of a file.

        Raises:
            UserError: if the file is absent or is not a timeline.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"cannot read the timeline {path}: {error.strerror}") from error

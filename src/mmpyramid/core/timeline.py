"""Events of one video, sorted into a timeline that is lossless to and from JSON, and its schema.

Axes: M modalities (audio, visual), L pyramid units, T segments of one second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.core.frames import check_frame_rate
from mmpyramid.core.text import LARGEST_FILE, from_json, read_text, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TIMELINE_FORMAT = "mmpyramid-timeline-1"

LONGEST = 366 * 24 * 3600
"""Seconds of a video: a year. What lasts longer is a mistake, and would take too long to draw."""


NUM_MODALITIES = 2
DECIMALS = 4

UnitWeights: TypeAlias = tuple[tuple[tuple[float, ...], ...], ...]
"""(2, L, T): the weight of each pyramid unit in the audio, then in the visual features of each
segment, within 0..1. Empty where the scorer has no such units."""

Nested: TypeAlias = Iterable[Iterable[Iterable[float]]]


class Modality(StrEnum):
    """Where an event is perceived: it can be heard, seen, or both in the same second."""

    AUDIO = "audio"
    VISUAL = "visual"
    AUDIO_VISUAL = "audio_visual"


@dataclass(frozen=True, order=True, slots=True)
class Event:
    """One event: `label` is perceived through `modality` from `start` to `end`, with a score.

    Times are seconds from the start of the video; the score lies within 0..1. An `inferred` event
    was not seen: it is heard, and things with this sound are nearly always in the picture.

    Events order by start, end, label, modality.

    Raises:
        UserError: if the times are not ordered and positive or are beyond a year, or the score is
            outside 0..1.

    Example:
        >>> Event(start=3.0, end=5.0, label="Dog", modality=Modality.AUDIO, score=0.9).duration
        2.0
    """

    start: float
    end: float
    label: str
    modality: Modality
    score: float = 1.0
    inferred: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.end <= LONGEST):
            raise UserError(
                f"an event needs 0 <= start < end in seconds, within a year, got "
                f"{self.start:.6g}..{self.end:.6g} ({shorten(self.label)})"
            )
        if not 0 <= self.score <= 1:
            raise UserError(
                f"an event's score lies within 0..1, got {self.score:.6g} ({shorten(self.label)})"
            )

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start


class Renderers(Protocol):
    """What shows timelines in notebooks."""

    def to_frame(self, timeline: Timeline, /) -> str:
        """Put the page of a timeline into a frame."""
        ...

    def to_figure(self, timeline: Timeline, /) -> Figure:
        """Draw a timeline."""
        ...

    def to_pandas(self, timeline: Timeline, /) -> DataFrame:
        """Make a table of the events."""
        ...


_renderers: list[Callable[[], Renderers]] = []


def set_renderers(load: Callable[[], Renderers]) -> None:
    """Set what shows timelines; the package does so when it is imported.

    Args:
        load: gives the renderers; called when something is shown, so that it can import them then.
    """
    _renderers[:] = [load]


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
        notes: remarks for the reader, for instance that the file is damaged after some second.
        unit_weights: (2, L, T) what selective fusion chose: the weight of each pyramid unit in the
            audio, then in the visual features of each second, within 0..1, rounded to four
            decimals; empty where the scorer has no such units.
        frame_rate: pictures per second as a whole number or a fraction, such as `25` or
            `30000/1001`; empty where it is unknown or there are no pictures.

    Raises:
        UserError: if the duration is negative or more than a year, events carry labels that are not
            listed, the unit weights have unequal lengths or lie outside 0..1, or the frame rate is
            none.

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
    notes: tuple[str, ...] = ()
    unit_weights: UnitWeights = field(default=(), repr=False)
    frame_rate: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(sorted(self.events)))
        object.__setattr__(self, "unit_weights", to_unit_weights(self.unit_weights))
        if not 0 <= self.duration <= LONGEST:
            raise UserError(
                f"expected `duration` in seconds, from 0 to a year, got {self.duration:.6g}"
            )
        check_frame_rate(self.frame_rate)
        unknown = sorted({event.label for event in self.events} - set(self.labels))
        if unknown:
            raise UserError(
                "events carry labels that the timeline does not list: "
                f"{shorten(', '.join(unknown), 300)}"
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
        plain = asdict(replace(self, events=(), unit_weights=()))
        del plain["unit_weights"]
        plain["events"] = list(map(event_json, self.events))
        if not self.frame_rate:  # Sound, and files of earlier versions.
            del plain["frame_rate"]
        text = json.dumps({"format": TIMELINE_FORMAT, **plain}, indent=2)
        if not self.unit_weights:
            return text
        opened = text.removesuffix("\n}")
        return f'{opened},\n  "unit_weights": {weights_json(self.unit_weights)}\n}}'

    @classmethod
    def from_json(cls, text: str) -> Timeline:
        """Read what `to_json` wrote.

        Raises:
            UserError: if the text is not such JSON.
        """
        document = from_json(text, TimelineDocument, "a timeline as JSON")
        events = []
        for number, event in enumerate(document.events):
            try:
                events.append(event.to_event())
            except UserError as error:
                raise UserError(f"`events[{number}]`: {error}") from error
        return cls(
            events=tuple(events),
            **{
                name: getattr(document, name)
                for name in TimelineDocument.__struct_fields__
                if name not in {"events", "format"}
            },
        )

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file, completely or not at all.

        Raises:
            UserError: if the disk is full.
        """
        write_durably(Path(path), self.to_json().encode("utf-8"), outlast_power_cuts=False)

    @classmethod
    def load(cls, path: str | Path) -> Timeline:
        """Read the JSON of a file.

        Raises:
            UserError: if the file is absent or is not a timeline.
        """
        text = read_text(Path(path), LARGEST_FILE)
        try:
            return cls.from_json(text)
        except UserError as error:
            raise UserError(f"cannot read {path}: {error}") from error

    def _repr_html_(self) -> str:
        """The page, in a frame: Jupyter, VS Code and Colab show it for the last value of a cell."""
        return _renderers[0]().to_frame(self)

    def plot(self) -> Figure:
        """Draw the timeline as a figure, which a notebook shows.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed; says how to install it.

        Example:
            >>> Timeline.load("clip.json").plot().savefig("clip.pdf")  # doctest: +SKIP
        """
        return _renderers[0]().to_figure(self)

    def to_pandas(self) -> DataFrame:
        """Make a table of label, modality, start, end, score and inferred, a row per event.

        Times are seconds. Source, model and duration are in the table's `attrs`.

        Raises:
            ModuleNotFoundError: if pandas is not installed; says how to install it.

        Example:
            >>> events = Timeline.load("clip.json").to_pandas()  # doctest: +SKIP
            >>> events.groupby("label").score.max()  # doctest: +SKIP
        """
        return _renderers[0]().to_pandas(self)


def event_json(event: Event) -> dict[str, Any]:
    """An event as JSON; `inferred`, unknown to earlier versions, is left out where it is false.

    Example:
        >>> event_json(Event(0.0, 1.0, "Dog", Modality.AUDIO)).keys()
        dict_keys(['start', 'end', 'label', 'modality', 'score'])
    """
    plain = asdict(event)
    if not event.inferred:
        del plain["inferred"]
    return plain


class EventDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event as JSON."""

    start: float
    end: float
    label: str
    modality: Modality
    score: float = 1.0
    inferred: bool = False

    def to_event(self) -> Event:
        """The event; raises a `UserError` if it is none."""
        return Event(**msgspec.structs.asdict(self))


class TimelineDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A timeline as JSON; fields that earlier versions did not write have defaults."""

    format: Literal["mmpyramid-timeline-1"]
    events: tuple[EventDocument, ...]
    labels: tuple[str, ...]
    missing: tuple[Modality, ...]
    notes: tuple[str, ...]
    duration: float = 0.0
    source: str = ""
    model: str = ""
    unit_weights: tuple[tuple[tuple[float, ...], ...], ...] = ()
    frame_rate: str = ""


def to_unit_weights(weights_MLT: Nested) -> UnitWeights:
    """Keep weights of pyramid units as tuples of floats, rounded to four decimals.

    Source: the fusion weights of Eq. 10; a sigmoid gives each, so that they do not add up to 1.

    Args:
        weights_MLT: any nested sequences or array, (2, L, T); empty for none.

    Raises:
        UserError: if the lengths differ or a weight is outside 0..1.

    Example:
        >>> to_unit_weights([[[0.12345, 1]], [[0.5, 0]]])
        (((0.1235, 1.0),), ((0.5, 0.0),))
    """
    weights = tuple(
        tuple(tuple(round(float(weight), DECIMALS) for weight in unit) for unit in modality)
        for modality in weights_MLT
    )
    if not weights:
        return ()
    units = [len(modality) for modality in weights]
    segments = sorted({len(unit) for modality in weights for unit in modality})
    if len(units) != NUM_MODALITIES or len(set(units)) != 1 or len(segments) != 1:
        raise UserError(
            "expected unit weights of audio and visual, for the same units and segments in both; "
            f"got {len(units)} modalities with {units} units of {segments} segments"
        )
    if not all(0 <= weight <= 1 for modality in weights for unit in modality for weight in unit):
        raise UserError("expected unit weights within 0..1, got other numbers or NaN")
    return weights


def weights_json(weights: UnitWeights) -> str:
    """Write weights as JSON with one unit per line, so that those of an hour stay readable.

    Example:
        >>> print(weights_json((((0.1, 0.2),), ((0.3, 0.4),))))
        [
            [
              [0.1, 0.2]
            ],
            [
              [0.3, 0.4]
            ]
          ]
    """
    modalities = (",\n".join(f"      {json.dumps(unit)}" for unit in units) for units in weights)
    return "[\n" + ",\n".join(f"    [\n{units}\n    ]" for units in modalities) + "\n  ]"


SCHEMA_ADDRESS = "https://github.com/mmpyramid/mmpyramid/blob/main/docs/timeline.schema.json"


def timeline_schema() -> dict[str, Any]:
    """What a timeline as JSON looks like, for programs that write or check one.

    The version is that of the field `format`. Reading checks more: that events lie within their
    limits and carry listed labels.

    Example:
        >>> timeline_schema()["title"]
        'mmpyramid-timeline-1'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ADDRESS,
        "title": TIMELINE_FORMAT,
        **msgspec.json.schema(TimelineDocument),
    }

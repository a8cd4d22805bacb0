"""Events of one video, sorted into a timeline that is lossless to and from JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmpyramid.core.errors import UserError
from mmpyramid.core.unit_weights import UnitWeights, to_unit_weights, weights_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TIMELINE_FORMAT = "mmpyramid-timeline-1"


class Modality(StrEnum):
    """Where an event is perceived: it can be heard, seen, or both in the same second."""

    AUDIO = "audio"
    VISUAL = "visual"
    AUDIO_VISUAL = "audio_visual"


@dataclass(frozen=True, order=True, slots=True)
class Event:
    """One event: `label` is perceived through `modality` from `start` to `end`, with a score.

    Times are seconds from the start of the video; the score lies within 0..1.

    Events order by start, end, label, modality.

    Raises:
        UserError: if the times are not finite, ordered and positive, or the score is outside 0..1.

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
        if not (0 <= self.start < self.end < math.inf):
            raise UserError(
                f"an event needs 0 <= start < end in seconds, got {self.start}..{self.end} "
                f"({self.label})"
            )
        if not 0 <= self.score <= 1:
            raise UserError(f"an event's score lies within 0..1, got {self.score} ({self.label})")

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
        notes: what a reader should know, for instance that the file is damaged after some second.
        unit_weights: (2, L, T) what selective fusion chose: the weight of each pyramid unit in the
            audio, then in the visual features of each second, within 0..1, rounded to four
            decimals; empty where the scorer has no such units.

    Raises:
        UserError: if the duration is negative or not finite, events carry labels that are not
            listed, or the unit weights have unequal lengths or lie outside 0..1.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(sorted(self.events)))
        object.__setattr__(self, "unit_weights", to_unit_weights(self.unit_weights))
        if not 0 <= self.duration < math.inf:
            raise UserError(f"expected `duration` in seconds, 0 or more, got {self.duration}")
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
        plain = asdict(replace(self, unit_weights=()))
        del plain["unit_weights"]
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
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("format", None) != TIMELINE_FORMAT:
                raise UserError(f"expected a timeline JSON whose `format` is `{TIMELINE_FORMAT}`")
            _check_kinds(data)
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
        except UnicodeDecodeError as error:
            raise UserError(
                f"cannot read the timeline {path}: expected text in UTF-8; save it as such"
            ) from error

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
        """Make a table with the columns label, modality, start, end and score, a row per event.

        Times are seconds. Source, model and duration are in the table's `attrs`.

        Raises:
            ModuleNotFoundError: if pandas is not installed; says how to install it.

        Example:
            >>> events = Timeline.load("clip.json").to_pandas()  # doctest: +SKIP
            >>> events.groupby("label").score.max()  # doctest: +SKIP
        """
        return _renderers[0]().to_pandas(self)


def _is_number(value: object) -> bool:
    return type(value) in {int, float}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "duration": ("a number", _is_number),
    "labels": ("a list of texts", _is_texts),
    "source": ("a text", _is_text),
    "model": ("a text", _is_text),
    "missing": ("a list of texts", _is_texts),
    "notes": ("a list of texts", _is_texts),
}
"""What the JSON of a field is; the events and the unit weights tell themselves."""


def _check_kinds(data: Mapping[str, Any]) -> None:
    for name, (kind, fits) in KINDS.items():
        if name in data and not fits(data[name]):
            raise UserError(f"expected `{name}` to be {kind}, got {data[name]!r:.40}")

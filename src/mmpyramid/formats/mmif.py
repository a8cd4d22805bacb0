"""MMIF (.mmif), in which archives exchange what machines found in media (CLAMS), written and read.

A view holds the events of one modality as TimeFrames.
"""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote

import msgspec

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import from_json, shorten, to_type
from mmpyramid.core.wording import INFERRED, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import MILLISECONDS, URL, Row, media_url, to_ticks, with_events
from mmpyramid.version import __version__

VERSION = "http://mmif.clams.ai/1.1.0"
VOCABULARY = "http://mmif.clams.ai/vocabulary"
FRAME, DOCUMENT = "TimeFrame", "d1"
APP = f"https://github.com/mmpyramid/mmpyramid/{__version__}"
DATE = "1970-01-01T00:00:00"
"""The format wants a date; a fixed one makes equal timelines equal files."""
UNITS = {"milliseconds": MILLISECONDS, "seconds": 1}
MMIF = "an MMIF document"


def to_mmif(timeline: Timeline, *, media: Path | None = None) -> str:
    """Write a document with a view per modality; times in milliseconds.

    Source: MMIF specification 1.1.0 (CLAMS).

    Args:
        timeline: what to write.
        media: the video; left out, the timeline's source.

    Example:
        >>> '"timeUnit": "milliseconds"' in to_mmif(Timeline(duration=1.0))
        True
    """
    name = printable(PurePath(timeline.source).name)
    is_sound = Modality.VISUAL in timeline.missing
    kind = "AudioDocument" if is_sound else "VideoDocument"
    guessed, _ = mimetypes.guess_type(name)
    url = media_url(timeline.source, media)
    properties = {
        "id": DOCUMENT,
        "mime": guessed or ("audio" if is_sound else "video"),
        "location": url if URL.match(url) else f"file:{url}",
    }
    document = {
        "metadata": {"mmif": VERSION},
        "documents": [{"@type": f"{VOCABULARY}/{kind}/v1", "properties": properties}],
        "views": [_view(timeline, modality) for modality in Modality],
    }
    return json.dumps(document, indent=1) + "\n"


def from_mmif(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    """Read the TimeFrames that have a label, in milliseconds or seconds.

    Args:
        text: the content of the file.
        unstated: how an event is perceived whose TimeFrame and view have no `modality`.

    Raises:
        UserError: if it is no such document, or a TimeFrame is no event; names it.

    Example:
        >>> event = Event(1.0, 4.0, "Dog", Modality.VISUAL, 0.5)
        >>> timeline = Timeline(events=(event,), duration=4.0, labels=("Dog",))
        >>> from_mmif(to_mmif(timeline)).events == timeline.events
        True
    """
    document = from_json(text, _Document, MMIF)
    events: list[Event] = []
    labels = dict[str, None]()
    for view in document.views:
        shared = next((s for kind, s in view.metadata.contains.items() if _is_frame(kind)), {})
        contained = to_type(shared, _Contained, "what a view of MMIF contains")
        labels |= dict.fromkeys(contained.labelset)
        if contained.timeUnit not in UNITS:
            raise UserError(
                f"expected times in {' or '.join(UNITS)}, got {shorten(contained.timeUnit)!r}"
            )
        for annotation in view.annotations:
            if _is_frame(annotation.type):
                # What all annotations of a view share may stand in its metadata alone.
                frame = to_type(shared | annotation.properties, _Frame, "a TimeFrame of MMIF")
                if frame.label is not None:
                    events.append(_event(frame, UNITS[contained.timeUnit], unstated))
    locations = (each.properties.get("location") for each in document.documents)
    location = next((each for each in locations if isinstance(each, str)), "")
    source = unquote(location.removeprefix("file:").removeprefix("//"))
    return with_events(Timeline(labels=tuple(labels), source=source), events)


class _Contained(msgspec.Struct):
    timeUnit: str = "milliseconds"
    labelset: list[str] = []


class _Metadata(msgspec.Struct):
    contains: dict[str, dict[str, Any]] = {}


class _Annotation(msgspec.Struct):
    type: str = msgspec.field(name="@type")
    properties: dict[str, Any] = {}


class _View(msgspec.Struct):
    metadata: _Metadata
    annotations: list[_Annotation] = []


class _Document(msgspec.Struct):
    views: list[_View]
    documents: list[_Annotation] = []


class _Frame(msgspec.Struct):
    start: float
    end: float
    id: str = ""
    label: str | None = None
    classification: dict[str, float] = {}
    modality: str | None = None
    inferred: bool = False


def _is_frame(kind: str) -> bool:
    """Whatever the version and the address of the vocabulary, of which there are two."""
    return f"/{FRAME}/" in kind


def _event(frame: _Frame, per_second: int, unstated: Modality) -> Event:
    assert frame.label is not None, "what has no label is no event"
    return Row(
        where=f"{FRAME} {shorten(frame.id)!r}",
        start=str(frame.start / per_second),
        end=str(frame.end / per_second),
        label=frame.label,
        modality=frame.modality or unstated,
        score=str(frame.classification.get(frame.label, 1.0)),
        inferred=str(frame.inferred).lower(),
    ).to_event()


def _view(timeline: Timeline, modality: Modality) -> dict[str, Any]:
    contained = {
        "document": DOCUMENT,
        "timeUnit": "milliseconds",
        "labelset": list(dict.fromkeys(map(printable, timeline.labels))),
        "modality": modality.value,
    }
    frame = f"{VOCABULARY}/{FRAME}/v6"
    return {
        "id": f"v_{modality}",
        "metadata": {
            "app": APP,
            "timestamp": DATE,
            "contains": {frame: contained},
            "parameters": {"model": printable(timeline.model)},
        },
        "annotations": [
            {"@type": frame, "properties": _properties(number, event)}
            for number, event in enumerate(timeline.of(modality), start=1)
        ],
    }


def _properties(number: int, event: Event) -> dict[str, Any]:
    start, end = to_ticks(event, MILLISECONDS)
    label = printable(event.label)
    return {
        "id": f"v_{event.modality}:tf_{number}",
        "start": start,
        "end": end,
        "label": label,
        "classification": {label: round(event.score, 6)},
        **({INFERRED: True} if event.inferred else {}),
    }


register(
    Format(
        name="mmif",
        description="a view per modality, a TimeFrame per event",
        programs="CLAMS apps and the MMIF visualizer (archives)",
        write=to_mmif,
        read=from_mmif,
        states_modality=False,
        kept="the events and labels",
        links_media=True,
        media_type="application/json",
    )
)

"""OpenTimelineIO (.otio): one clip with a marker per event, for video editors, written and read.

The file is JSON. Our own fields go along as metadata, so that a timeline comes back with exact
seconds where nobody moved its markers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Annotated, Any

import msgspec

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.frames import HIGHEST_RATE, LOWEST_RATE, nearest_rate, to_frames
from mmpyramid.core.text import from_json, shorten, to_type
from mmpyramid.core.timeline import EventDocument, event_json
from mmpyramid.core.wording import printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import (
    Row,
    frame_rate_of,
    from_head,
    head_of,
    media_url,
    tagged,
    untagged,
)

OURS = "mmpyramid"
COLORS = {Modality.AUDIO: "BLUE", Modality.VISUAL: "YELLOW", Modality.AUDIO_VISUAL: "GREEN"}
DOCUMENT = "an OpenTimelineIO timeline"


def to_otio(timeline: Timeline, *, media: Path | None = None) -> str:
    """Write a timeline of one clip, the whole video, with a marker per event.

    Source: OpenTimelineIO, File Format Specification; the schemas Timeline.1, Clip.2 and Marker.2.

    Args:
        timeline: what to write.
        media: the video that the clip links to; left out, the timeline's source.

    Raises:
        UserError: if the frame rate is unknown.

    Example:
        >>> json.loads(to_otio(Timeline(duration=1.0, frame_rate="25")))["OTIO_SCHEMA"]
        'Timeline.1'
    """
    rate = frame_rate_of(timeline)
    last = max((event.end for event in timeline), default=0.0)
    whole = _range(*to_frames(0.0, max(timeline.duration, last), rate), rate)
    name = printable(PurePath(timeline.source).name)
    reference = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "target_url": media_url(timeline.source, media),
        "available_range": whole,
    }
    clip = {
        "OTIO_SCHEMA": "Clip.2",
        "name": name,
        "source_range": whole,
        "media_references": {"DEFAULT_MEDIA": reference},
        "active_media_reference_key": "DEFAULT_MEDIA",
        "markers": [_marker(event, rate) for event in timeline],
    }
    track = {"OTIO_SCHEMA": "Track.1", "name": "V1", "kind": "Video", "children": [clip]}
    document = {
        "OTIO_SCHEMA": "Timeline.1",
        "name": name,
        "metadata": {OURS: head_of(timeline)},
        "tracks": {"OTIO_SCHEMA": "Stack.1", "name": "tracks", "children": [track]},
    }
    return json.dumps(document, indent=2) + "\n"


def from_otio(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    """Read the markers of clips and of the whole timeline.

    The marked ranges count, as people move them; those of a clip are in the time of its media.

    Args:
        text: the content of the file.
        unstated: how an event is perceived whose marker does not say it as `Dog [audio]` does.

    Raises:
        UserError: if it is no such file, or a marker is no event; names the marker.

    Example:
        >>> timeline = Timeline(duration=1.0, frame_rate="25")
        >>> from_otio(to_otio(timeline)) == timeline
        True
    """
    document = from_json(text, dict[str, Any], DOCUMENT)
    if not str(document.get("OTIO_SCHEMA")).startswith("Timeline."):
        raise UserError(f"expected {DOCUMENT}, got JSON without the OTIO_SCHEMA Timeline.1")
    markers = list(_markers(document))
    events = [_event(marker, begin, unstated) for marker, begin in markers]
    found = from_head(_metadata(document.get("metadata")), events)
    if found.frame_rate or not markers:
        return found
    return replace(found, frame_rate=str(markers[0][0].marked_range.start_time.frame_rate))


class _Time(msgspec.Struct):
    value: Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
    rate: float

    @property
    def frame_rate(self) -> Fraction:
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise UserError(
                f"expected times of up to {HIGHEST_RATE} frames per second, got {self.rate:.6g}"
            )
        return nearest_rate(Fraction(self.rate))

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.value) / self.frame_rate


class _Range(msgspec.Struct):
    start_time: _Time
    duration: _Time


class _Marker(msgspec.Struct):
    marked_range: _Range
    name: str | None = None
    metadata: object = None


def _markers(document: dict[str, Any]) -> Iterator[tuple[_Marker, Fraction]]:
    """Every marker, and where the time of its owner begins."""
    waiting: list[object] = [document]
    while waiting:
        item = to_type(waiting.pop(), dict[str, Any], DOCUMENT)
        for marker in _list(item.get("markers")):
            yield to_type(marker, _Marker, "a marker of OpenTimelineIO"), _media_start(item)
        waiting += reversed(_list(item.get("children")))
        waiting += [item["tracks"]] if "tracks" in item else []


def _list(value: object) -> list[Any]:
    return to_type(value or [], list[Any], DOCUMENT)


def _media_start(item: dict[str, Any]) -> Fraction:
    """Where the media of a clip begin: cameras count from the time of day."""
    references = item.get("media_references")
    key = item.get("active_media_reference_key")
    reference = references.get(key) if isinstance(references, dict) else None
    available = reference.get("available_range") if isinstance(reference, dict) else None
    if available is None:
        return Fraction(0)
    return to_type(available, _Range, "the range of media").start_time.seconds


def _metadata(metadata: object) -> Any:
    return metadata.get(OURS) if isinstance(metadata, dict) else None


def _event(marker: _Marker, begin: Fraction, unstated: Modality) -> Event:
    """The event of a marker; the exact one that was written if nobody changed the marker."""
    name, marked = marker.name or "", marker.marked_range
    start = marked.start_time.seconds - begin
    end = start + marked.duration.seconds
    label, modality, inferred = untagged(name)
    written = _metadata(marker.metadata)
    score = 1.0
    if isinstance(written, dict):
        kept = to_type(written, EventDocument, "the metadata of a marker").to_event()
        rate = marked.start_time.frame_rate
        if to_frames(kept.start, kept.end, rate) == to_frames(float(start), float(end), rate):
            start, end = Fraction(kept.start), Fraction(kept.end)
        if name == tagged(kept):
            label, modality = kept.label, kept.modality
        score = kept.score
    return Row(
        where=f"marker {shorten(name)!r}",
        label=label,
        start=str(float(start)),
        end=str(float(end)),
        modality=modality or unstated,
        score=str(score),
        inferred=inferred,
    ).to_event()


def _marker(event: Event, rate: Fraction) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Marker.2",
        "name": tagged(event),
        "color": COLORS[event.modality],
        "comment": f"score {event.score:.2f}",
        "metadata": {OURS: event_json(event)},
        "marked_range": _range(*to_frames(event.start, event.end, rate), rate),
    }


def _range(first: int, end: int, rate: Fraction) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": _time(first, rate),
        "duration": _time(end - first, rate),
    }


def _time(frame: int, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "value": frame, "rate": float(rate)}


register(
    Format(
        name="otio",
        description="OpenTimelineIO: the video as a clip, a marker per event",
        programs="Premiere Pro (2025.6), DaVinci Resolve (18.5), Kdenlive",
        write=to_otio,
        read=from_otio,
        states_modality=False,
        kept="everything but the weights of pyramid units",
        counts_frames=True,
        links_media=True,
        markers_for=("premiere", "kdenlive"),
        media_type="application/json",
    )
)

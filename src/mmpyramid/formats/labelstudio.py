"""Label Studio: predictions to correct (.labelstudio.json), and what was annotated, read back.

Frames are counted from 1, the last one included. The editor takes its frame rate from the labelling
configuration, not from the video; the one that is written here asks the task for it.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from xml.etree import ElementTree as ET

import msgspec

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.frames import to_frame_rate, to_frames
from mmpyramid.core.text import from_json, shorten
from mmpyramid.core.wording import INFERRED, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import Row, frame_rate_of, media_url, to_timeline, with_events

VIDEO, KIND = "video", "timelinelabels"
Frame: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
TASKS = "tasks of Label Studio"


def to_labelstudio(timeline: Timeline, *, media: Path | None = None) -> str:
    """Write a task with the events as predictions.

    Source: the Label Studio documentation, Import pre-annotations; the tag TimelineLabels.

    Args:
        timeline: what to write.
        media: the video; left out, the timeline's source. Where Label Studio serves the video
            elsewhere, change `video` in the file.

    Raises:
        UserError: if the frame rate is unknown.

    Example:
        >>> '"fps": 25.0' in to_labelstudio(Timeline(duration=1.0, frame_rate="25"))
        True
    """
    rate = frame_rate_of(timeline)
    data = {
        VIDEO: media_url(timeline.source, media),
        "fps": float(rate),
        "duration": timeline.duration,
    }
    result = [_region(number, event, rate) for number, event in enumerate(timeline, start=1)]
    prediction = {"model_version": printable(timeline.model), "result": result}
    return json.dumps([{"data": data, "predictions": [prediction]}], indent=1) + "\n"


def to_labelstudio_config(timeline: Timeline) -> str:
    """Write the labelling configuration for the tasks: a track of labels per modality.

    Paste it into the project under Labeling Interface, Code.

    Example:
        >>> 'frameRate="$fps"' in to_labelstudio_config(Timeline(labels=("Dog",)))
        True
    """
    view = ET.Element("View")
    ET.SubElement(view, "Video", name=VIDEO, value=f"${VIDEO}", frameRate="$fps")
    for modality in Modality:
        track = ET.SubElement(view, "TimelineLabels", name=modality.value, toName=VIDEO)
        for label in dict.fromkeys(map(printable, timeline.labels)):
            ET.SubElement(track, "Label", value=label)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def from_labelstudio(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    """Read an exported task (JSON): the last annotation that is no skipping, or else a prediction.

    Args:
        text: the content of the file.
        unstated: how an event is perceived whose track is not called by a modality.

    Raises:
        UserError: if it holds several tasks, has no frame rate, or a region is no event.

    Example:
        >>> event = Event(1.0, 4.0, "Dog", Modality.VISUAL, 0.5)
        >>> timeline = Timeline(events=(event,), duration=9.0, labels=("Dog",), frame_rate="25")
        >>> from_labelstudio(to_labelstudio(timeline)) == timeline
        True
    """
    text = text if text.lstrip().startswith("[") else f"[{text}]"  # A task alone is fine, too.
    tasks = from_json(text, list[_Task], TASKS)
    if len(tasks) != 1:
        raise UserError(
            f"expected one task, got {len(tasks)}; export or cut out one for each video"
        )
    task = tasks[0]
    if task.data.fps is None:
        raise UserError(
            "expected the frame rate as `fps` in the data of the task, which `render --to "
            "labelstudio.json` writes; without it frames cannot be turned into seconds"
        )
    rate = to_frame_rate(str(task.data.fps))
    results = [each for each in task.annotations if not each.was_cancelled] or task.predictions
    regions = results[-1].result if results else []
    events = [event for region in regions for event in _events(region, Fraction(rate), unstated)]
    found = to_timeline(events, task.data.video)
    kept = Timeline(
        duration=task.data.duration, labels=found.labels, source=found.source, frame_rate=rate
    )
    return with_events(kept, events)


class _Data(msgspec.Struct):
    video: str = ""
    fps: float | None = None
    duration: float = 0.0


class _Frames(msgspec.Struct):
    start: Frame
    end: Frame


class _Value(msgspec.Struct):
    ranges: list[_Frames] = []
    timelinelabels: list[str] = []


class _Region(msgspec.Struct):
    type: str = ""
    from_name: str = ""
    value: _Value = msgspec.field(default_factory=_Value)
    score: float | None = None
    meta: dict[str, Any] = {}


class _Result(msgspec.Struct):
    result: list[_Region] = []
    was_cancelled: bool = False


class _Task(msgspec.Struct):
    data: _Data
    annotations: list[_Result] = []
    predictions: list[_Result] = []


def _events(region: _Region, rate: Fraction, unstated: Modality) -> list[Event]:
    if region.type != KIND:
        return []
    known = region.from_name in set(Modality)
    return [
        Row(
            where=f"region {shorten(label)!r} at frame {frames.start}",
            start=str(float((frames.start - 1) / rate)),
            end=str(float(frames.end / rate)),
            label=label,
            modality=region.from_name if known else unstated,
            score="1" if region.score is None else str(region.score),
            inferred=str(region.meta.get("text") == [INFERRED]).lower(),
        ).to_event()
        for frames in region.value.ranges
        for label in region.value.timelinelabels
    ]


def _region(number: int, event: Event, rate: Fraction) -> dict[str, Any]:
    first, end = to_frames(event.start, event.end, rate)
    return {
        "id": f"e{number}",
        "type": KIND,
        "from_name": event.modality.value,
        "to_name": VIDEO,
        "score": round(event.score, 6),
        "value": {
            "ranges": [{"start": first + 1, "end": end}],
            KIND: [printable(event.label)],
        },
        **({"meta": {"text": [INFERRED]}} if event.inferred else {}),
    }


register(
    Format(
        name="labelstudio.json",
        description="a task with predictions to correct",
        programs="Label Studio",
        write=to_labelstudio,
        read=from_labelstudio,
        states_modality=False,
        kept="the events on whole frames, the duration",
        counts_frames=True,
        links_media=True,
        markers_for=("labelstudio",),
        media_type="application/json",
    )
)
register(
    Format(
        name="labelstudio.xml",
        description="the labelling configuration of these tasks",
        programs="Label Studio",
        write=to_labelstudio_config,
        media_type="text/xml",
    )
)

"""Final Cut Pro (.fcpxml): the video as a clip of an event, with a keyword and a marker per event.

A keyword is a range of a clip, which Final Cut lists and filters by; a marker is a point on it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path, PurePath
from xml.etree import ElementTree as ET

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.frames import to_frames
from mmpyramid.core.wording import printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import frame_rate_of, media_url, tagged

VERSION = "1.10"
TRACKS = {"hasVideo": Modality.VISUAL, "hasAudio": Modality.AUDIO}
"""Attributes of an asset, without which Final Cut takes no pictures, or no sound, from the file."""
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'


def to_fcpxml(timeline: Timeline, *, media: Path | None = None) -> str:
    """Write a library event of one clip; every time is a whole number of frames.

    Source: Apple, FCPXML Reference.

    Args:
        timeline: what to write.
        media: the video that the clip links to; left out, the timeline's source.

    Raises:
        UserError: if the frame rate is unknown.

    Example:
        >>> "<fcpxml" in to_fcpxml(Timeline(duration=1.0, frame_rate="25"))
        True
    """
    rate = frame_rate_of(timeline)
    name = printable(PurePath(timeline.source).name) or "video"
    last = max((event.end for event in timeline), default=0.0)
    _, length = to_frames(0.0, max(timeline.duration, last), rate)
    root = ET.Element("fcpxml", version=VERSION)
    resources = ET.SubElement(root, "resources")
    ET.SubElement(resources, "format", id="r1", frameDuration=_time(1, rate))
    asset = ET.SubElement(
        resources,
        "asset",
        id="r2",
        name=name,
        start="0s",
        duration=_time(length, rate),
        format="r1",
    )
    for attribute, modality in TRACKS.items():
        if modality not in timeline.missing:
            asset.set(attribute, "1")
    url = media_url(timeline.source, media)
    ET.SubElement(asset, "media-rep", kind="original-media", src=url)
    event_element = ET.SubElement(root, "event", name="mmpyramid")
    clip = ET.SubElement(
        event_element,
        "asset-clip",
        name=name,
        ref="r2",
        format="r1",
        start="0s",
        duration=_time(length, rate),
    )
    for event in timeline:
        first, end = to_frames(event.start, event.end, rate)
        start, duration = _time(first, rate), _time(end - first, rate)
        text = {"value": tagged(event), "note": f"score {event.score:.2f}"}
        ET.SubElement(clip, "keyword", {"start": start, "duration": duration, **text})
        ET.SubElement(clip, "marker", {"start": start, "duration": _time(1, rate), **text})
    ET.indent(root)
    return f"{DECLARATION}{ET.tostring(root, encoding='unicode')}\n"


def _time(frames: int, rate: Fraction) -> str:
    """A time in seconds as a fraction, over the numerator of the rate as Final Cut writes it."""
    return f"{frames * rate.denominator}/{rate.numerator}s"


register(
    Format(
        name="fcpxml",
        description="the video as a clip, a keyword and a marker per event",
        programs="Final Cut Pro (10.6)",
        write=to_fcpxml,
        counts_frames=True,
        links_media=True,
        markers_for=("finalcut",),
        media_type="text/xml",
    )
)

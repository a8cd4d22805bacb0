"""Marker lists of DaVinci Resolve (.edl): an edit decision list whose comments are the markers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import PurePath

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.frames import is_drop_frame, timecode, to_frames
from mmpyramid.core.wording import printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import frame_rate_of, tagged

START_HOUR = 1
"""Timelines of Resolve begin at 01:00:00:00 unless somebody sets another timecode."""
COLORS = {Modality.AUDIO: "Blue", Modality.VISUAL: "Yellow", Modality.AUDIO_VISUAL: "Green"}
BAR = "\N{BROKEN BAR}"
"""Stands for the vertical bar, which separates the parts of a marker."""


def to_edl(timeline: Timeline) -> str:
    """Write the markers of a timeline that the video stands on from its beginning.

    Import them there: Timelines, Import, Timeline Markers from EDL. At 29.97 and 59.94 frames per
    second the timecode is drop-frame; the timeline has to be so, too.

    Source: the DaVinci Resolve manual, Importing and Exporting Markers; CMX 3600 for the rest.

    Raises:
        UserError: if the frame rate is unknown.

    Example:
        >>> event = Event(2.0, 9.0, "Dog", Modality.AUDIO, 0.81)
        >>> timeline = Timeline(events=(event,), labels=("Dog",), frame_rate="30000/1001")
        >>> print(to_edl(timeline), end="")
        TITLE: markers
        FCM: DROP FRAME
        <BLANKLINE>
        001  001      V     C        01:00:02;00 01:00:02;01 01:00:02;00 01:00:02;01
        score 0.81 |C:ResolveColorBlue |M:Dog [audio] |D:210
        <BLANKLINE>
    """
    rate = frame_rate_of(timeline)
    title = printable(PurePath(timeline.source).name) or "markers"
    kind = "DROP FRAME" if is_drop_frame(rate) else "NON-DROP FRAME"
    markers = (_marker(number, event, rate) for number, event in enumerate(timeline, start=1))
    return f"TITLE: {title}\nFCM: {kind}\n\n" + "".join(markers)


def _marker(number: int, event: Event, rate: Fraction) -> str:
    first, end = to_frames(event.start, event.end, rate)
    times = " ".join(timecode(frame, rate, START_HOUR) for frame in (first, first + 1))
    name = tagged(event).replace("|", BAR)
    return (
        f"{number:03}  001      V     C        {times} {times}\n"
        f"score {event.score:.2f} |C:ResolveColor{COLORS[event.modality]} |M:{name} "
        f"|D:{end - first}\n\n"
    )


register(
    Format(
        name="edl",
        description="a list of timeline markers",
        programs="DaVinci Resolve",
        write=to_edl,
        counts_frames=True,
        markers_for=("resolve",),
    )
)

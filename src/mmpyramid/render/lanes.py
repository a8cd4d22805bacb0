"""What every picture of a timeline shares: lanes, words for people, clock times, axis ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmpyramid.errors import UserError
from mmpyramid.types import Event, Modality, Timeline, UnitWeights

MODALITY_WORDS = {
    Modality.AUDIO: "audible",
    Modality.VISUAL: "visible",
    Modality.AUDIO_VISUAL: "both",
}
"""How a modality is called at the head of a lane, in the order of the lanes."""

MODALITY_PHRASES = {**MODALITY_WORDS, Modality.AUDIO_VISUAL: "audible and visible"}
"""The same after a label in running text."""

MISSING_TRACKS = {
    Modality.AUDIO: "This file has no audio track, so nothing could be heard.",
    Modality.VISUAL: "This file has no video track, so nothing could be seen.",
}

TITLES = {
    "Baby_cry_infant_cry": "Baby cry, infant cry",
    "Chicken_rooster": "Chicken, rooster",
    "Violin_fiddle": "Violin, fiddle",
}
"""Labels of LLP that lost the comma of their AudioSet names."""

_MINUTE, _HOUR = 60, 3600
TICK_STEPS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 6, 12, 24)),
)
"""Seconds between two ticks of a time axis, from which the smallest that fits is taken; longer
ones are multiples of the last."""


@dataclass(frozen=True)
class Lane:
    """One row of the picture: a label through one modality.

    Attributes:
        label: the class name, as the timeline has it.
        modality: how it is perceived.
        events: the events of this label and modality, sorted.
    """

    label: str
    modality: Modality
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Remark:
    """What a reader should know before looking at the events.

    Attributes:
        gist: one line.
        details: more, for those who ask. A remark that has some is background, not a warning.
    """

    gist: str
    details: tuple[str, ...] = ()


def to_lanes(timeline: Timeline) -> list[Lane]:
    """Group events into lanes: labels by first appearance, and within a label by modality.

    Example:
        >>> dog = Event(0.0, 2.0, "Dog", Modality.AUDIO)
        >>> [lane.label for lane in to_lanes(Timeline(events=(dog,), labels=("Cat", "Dog")))]
        ['Dog']
    """
    events_of: dict[tuple[str, Modality], list[Event]] = {}
    for event in timeline:
        events_of.setdefault((event.label, event.modality), []).append(event)
    return [
        Lane(label, modality, tuple(events_of[label, modality]))
        for label in dict.fromkeys(event.label for event in timeline)
        for modality in MODALITY_WORDS
        if (label, modality) in events_of
    ]


def span(timeline: Timeline) -> float:
    """Seconds that the time axis covers: the duration, or longer if an event ends after it."""
    return max([timeline.duration, *(event.end for event in timeline)]) or 1.0


def remarks(timeline: Timeline) -> list[Remark]:
    """The tracks that are missing, then the notes: the first line is the gist of each."""
    missing = [MISSING_TRACKS[name] for name in timeline.missing if name in MISSING_TRACKS]
    notes = (note.split("\n") for note in timeline.notes)
    return [*map(Remark, missing), *(Remark(gist, tuple(details)) for gist, *details in notes)]


def unit_weights_of(timeline: Timeline) -> UnitWeights:
    """The weights of pyramid units of a timeline that has some.

    Raises:
        UserError: if it has none.
    """
    if not timeline.unit_weights or not timeline.unit_weights[0][0]:
        raise UserError(
            f"the timeline of {timeline.source or 'an unnamed video'} has no weights of pyramid "
            "units: only networks with selective fusion (mm-pyramid) give them, and timelines "
            "written by earlier versions lack them; parse the video, or predict its features, "
            "with such a network"
        )
    return timeline.unit_weights


def clock(seconds: float) -> str:
    """Write seconds as people do, with tenths only where there are any.

    Example:
        >>> clock(3), clock(75.5), clock(3723)
        ('0:03', '1:15.5', '1:02:03')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{text}" if hours else f"{minutes}:{text}"


def ticks(duration: float, most: int) -> list[float]:
    """Round times from 0 to the duration, at most `most` steps.

    Example:
        >>> ticks(10, most=6)
        [0, 2, 4, 6, 8, 10]
    """
    days = TICK_STEPS[-1] * math.ceil(duration / TICK_STEPS[-1] / most)
    step = next((step for step in TICK_STEPS if duration / step <= most), days)
    return [round(index * step, 1) for index in range(math.floor(duration / step + 1e-9) + 1)]


def printable(text: str) -> str:
    r"""Replace what could steer a terminal or break an encoding, such as escapes in file names.

    Example:
        >>> printable("clip\x1b[31m.mp4")
        'clip�[31m.mp4'
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def title_of(label: str) -> str:
    """The label as people write it.

    Example:
        >>> title_of("Frying_(food)")
        'Frying (food)'
    """
    return printable(TITLES.get(label, label).replace("_", " "))

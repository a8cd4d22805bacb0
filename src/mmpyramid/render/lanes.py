"""What every picture of a timeline shares: lanes, remarks, axis ticks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mmpyramid.core import Event, Modality, Timeline, UnitWeights
from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import MODALITY_WORDS
from mmpyramid.formats.tables import to_table

MISSING_TRACKS = {
    Modality.AUDIO: "This file has no audio track, so nothing could be heard.",
    Modality.VISUAL: "This file has no video track, so nothing could be seen.",
}

_MINUTE, _HOUR = 60, 3600
TICK_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 6, 12, 24)),
)
"""Seconds between two ticks of a time axis, from which the smallest that fits is taken; longer
ones are multiples of the last. None is shorter than the segments that are decided."""


UNIT_WEIGHTS_COLUMNS = ("modality", "unit", "second", "weight")


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
    """The tracks that are missing, then the notes, by the first line of each; background last."""
    missing = [MISSING_TRACKS[name] for name in timeline.missing if name in MISSING_TRACKS]
    notes = (note.split("\n") for note in timeline.notes)
    said = (Remark(gist, tuple(details)) for gist, *details in notes)
    return [*map(Remark, missing), *sorted(said, key=lambda remark: bool(remark.details))]


def remarks_by_name(timelines: Mapping[str, Timeline]) -> list[Remark]:
    """The remarks on several timelines, each once.

    A remark that is not about all of them begins with the names of those that it is about.
    """
    about: dict[Remark, list[str]] = {}
    for name, timeline in timelines.items():
        for remark in remarks(timeline):
            about.setdefault(remark, []).append(name)
    return [
        remark
        if len(names) == len(timelines)
        else Remark(f"{', '.join(names)}: {remark.gist}", remark.details)
        for remark, names in about.items()
    ]


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


def unit_weights_to_csv(timeline: Timeline) -> str:
    """Write one row per modality, pyramid unit and second under a header row.

    Units count from 1, in the order of the network's windows; a second is named by its start.

    Raises:
        UserError: if the timeline has no unit weights.

    Example:
        >>> timeline = Timeline(duration=1.0, unit_weights=(((0.25,),), ((0.75,),)))
        >>> print(unit_weights_to_csv(timeline), end="")
        modality,unit,second,weight
        audio,1,0,0.25
        visual,1,0,0.75
    """
    weights_MLT = unit_weights_of(timeline)
    modalities = (Modality.AUDIO, Modality.VISUAL)
    rows = (
        (modality.value, unit, second, weight)
        for modality, units in zip(modalities, weights_MLT, strict=True)
        for unit, weights in enumerate(units, start=1)
        for second, weight in enumerate(weights)
    )
    return to_table(UNIT_WEIGHTS_COLUMNS, rows)


def ticks(duration: float, most: int) -> list[float]:
    """Round times from 0 to the duration, at most `most` steps.

    Example:
        >>> ticks(10, most=6)
        [0, 2, 4, 6, 8, 10]
    """
    days = TICK_STEPS[-1] * math.ceil(duration / TICK_STEPS[-1] / most)
    step = next((step for step in TICK_STEPS if duration / step <= most), days)
    return [round(index * step, 1) for index in range(math.floor(duration / step + 1e-9) + 1)]

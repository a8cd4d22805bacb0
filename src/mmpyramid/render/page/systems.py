"""The timelines of a page as data: events by label and modality, and where timelines differ.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.runs import Mask, Runs
from mmpyramid.core.wording import MODALITY_PHRASES, MODALITY_WORDS, title_of
from mmpyramid.problems import rasterize
from mmpyramid.render.lanes import span
from mmpyramid.render.page.probabilities import pack_json

MODALITIES = tuple(MODALITY_WORDS)


class Mark(NamedTuple):
    """A stretch in which a timeline differs from the first one.

    Attributes:
        label: the class name.
        modality: how it is perceived.
        start: seconds.
        end: seconds.
        is_extra: whether the event is there, and not in the first timeline; otherwise it is missed.
    """

    label: str
    modality: Modality
    start: float
    end: float
    is_extra: bool


@dataclass(frozen=True)
class Disagreement:
    """What a timeline has of the events of the first one, in segments of one second.

    Attributes:
        shared: segments that both have.
        missed: segments that only the first one has.
        extra: segments that only this one has.
        marks: where.
    """

    shared: int
    missed: int
    extra: int
    marks: tuple[Mark, ...]


def labels_of(timelines: Iterable[Timeline]) -> list[str]:
    """All labels: those with events by first appearance, then the others."""
    timelines = list(timelines)
    found = (event.label for timeline in timelines for event in timeline)
    known = (label for timeline in timelines for label in timeline.labels)
    return list(dict.fromkeys([*found, *known]))


def modalities_data(labels: Sequence[str]) -> dict[str, Any]:
    """Titles of labels and words of modalities, to which events refer by number."""
    return {
        "labels": [title_of(label) for label in labels],
        "modalities": [
            {"name": name, "word": MODALITY_WORDS[name], "phrase": MODALITY_PHRASES[name]}
            for name in MODALITIES
        ],
    }


def system_data(
    name: str,
    timeline: Timeline,
    labels: Sequence[str],
    *,
    is_thin: bool = False,
    marks: Sequence[Mark] = (),
) -> dict[str, Any]:
    """One timeline: `[label, modality, start, end, score]` for each event, packed."""
    places = {label: place for place, label in enumerate(labels)}
    return {
        "name": name,
        "isThin": is_thin,
        "isScored": any(event.score < 1 for event in timeline),
        "events": pack_json([_row(event, places, float(event.score)) for event in timeline]),
        "marks": pack_json([_row(mark, places, mark.is_extra) for mark in marks]),
    }


def _row(item: Event | Mark, places: Mapping[str, int], last: float) -> list[float]:
    """Numbers that compress well: whole seconds without decimals, scores with four."""
    times = (int(time) if time == int(time) else time for time in (item.start, item.end))
    return [places[item.label], MODALITIES.index(item.modality), *times, round(last, 4)]


def disagreement(first: Timeline, other: Timeline) -> Disagreement:
    """Compare two timelines of one video segment by segment, each label and modality apart.

    Example:
        >>> from mmpyramid.core import Event
        >>> dog = Event(0.0, 3.0, "Dog", Modality.AUDIO)
        >>> first = Timeline(events=(dog,), duration=3.0, labels=("Dog",))
        >>> disagreement(first, Timeline(duration=3.0, labels=("Dog",))).marks
        (Mark(label='Dog', modality=<Modality.AUDIO: 'audio'>, start=0.0, end=3.0, is_extra=False),)
    """
    labels = labels_of([first, other])
    seconds = max(span(first), span(other))
    shared, counts, marks = 0, {False: 0, True: 0}, list[Mark]()
    for modality in MODALITIES:
        first_TC, other_TC = (_mask(each, modality, seconds, labels) for each in (first, other))
        shared += int((first_TC & other_TC).sum())
        for is_extra, mask_TC in {False: first_TC & ~other_TC, True: other_TC & ~first_TC}.items():
            counts[is_extra] += int(mask_TC.sum())
            marks += _marks(mask_TC, modality, labels, seconds, is_extra)
    return Disagreement(shared, counts[False], counts[True], tuple(marks))


def _mask(timeline: Timeline, modality: Modality, seconds: float, labels: Sequence[str]) -> Mask:
    """Where the timeline has events of just this modality, (T, C)."""
    audio_TC, visual_TC = rasterize(timeline.of(modality), math.ceil(seconds), labels)
    mask_TC: Mask = audio_TC | visual_TC
    return mask_TC


def _marks(
    mask_TC: Mask, modality: Modality, labels: Sequence[str], seconds: float, is_extra: bool
) -> list[Mark]:
    runs = Runs.of(mask_TC)
    columns = np.stack([runs.column, runs.start, runs.stop], axis=1).tolist()
    return [
        Mark(labels[label], modality, float(start), min(float(stop), seconds), is_extra)
        for label, start, stop in columns
    ]

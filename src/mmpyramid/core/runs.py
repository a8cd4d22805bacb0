"""Maximal runs of a mask, the events that they are, and the way back from events to masks.

Axes: T segments of one second, C classes; `...` is any number of axes before them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.timeline import Event, Modality, Timeline

Mask: TypeAlias = NDArray[np.bool_]
Values: TypeAlias = NDArray[np.floating[Any]]

ANNOTATIONS = "annotations"
"""Name of the model in a timeline of annotations."""


@dataclass(frozen=True, eq=False, slots=True)
class Runs:
    """Maximal runs of ones in a mask (..., T, C), ordered by column, then by start.

    Each column of the mask is a row of T + 1 cells, of which the last is empty and ends a run.

    Attributes:
        first: the first cell of each run, counted through all rows.
        length: its number of segments.
        num_segments: T.

    Example:
        >>> runs = Runs.of(np.array([[True, False], [True, False], [False, True]]))
        >>> runs.column.tolist(), runs.start.tolist(), runs.stop.tolist()
        ([0, 1], [0, 2], [2, 3])
    """

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    num_segments: int

    @classmethod
    def of(cls, mask: Mask) -> Runs:
        """The runs of a mask (..., T, C)."""
        *leading, num_segments, num_classes = mask.shape
        cells = np.zeros((*leading, num_classes, num_segments + 1), dtype=bool)
        cells[..., :num_segments] = mask.swapaxes(-1, -2)
        edges = np.flatnonzero(np.diff(cells.ravel(), prepend=False))
        first = edges[::2]
        return cls(first, edges[1::2] - first, num_segments)

    @property
    def column(self) -> NDArray[np.int64]:
        """Place of each run in the flattened (..., C): the class, if there are no other axes."""
        return self.first // (self.num_segments + 1)

    @property
    def start(self) -> NDArray[np.int64]:
        """The first segment of each run."""
        return self.first % (self.num_segments + 1)

    @property
    def stop(self) -> NDArray[np.int64]:
        """The segment after the last one of each run."""
        return self.start + self.length

    def where(self, keep: Mask) -> Runs:
        """Some of the runs."""
        return Runs(self.first[keep], self.length[keep], self.num_segments)

    def paint(self, shape: tuple[int, ...]) -> Mask:
        """The mask of a shape (..., T, C) that is on where at least one run is."""
        *leading, num_segments, num_classes = shape
        step = np.zeros(math.prod(leading) * num_classes * (num_segments + 1), dtype=np.int32)
        np.add.at(step, self.first, 1)
        np.add.at(step, self.first + self.length, -1)
        is_on = step.cumsum().reshape(*leading, num_classes, num_segments + 1) > 0
        return is_on[..., :num_segments].swapaxes(-1, -2)

    def mean(self, value: Values) -> NDArray[np.float64]:
        """Mean of values (..., T, C) over each run, float64."""
        if not len(self.first):
            return np.zeros(0)
        padding = [(0, 0)] * (value.ndim - 1) + [(0, 1)]
        cells = np.pad(value.swapaxes(-1, -2).astype(np.float64), padding).ravel()
        bounds = np.stack([self.first, self.first + self.length], axis=1).ravel()
        sums: NDArray[np.float64] = np.add.reduceat(cells, bounds)[::2]
        return sums / self.length


def tidy(mask: Mask, max_gap: float, min_length: float) -> Mask:
    """Fill short gaps of a mask (..., T, C), then drop short runs.

    Args:
        mask: where a class is perceived.
        max_gap: longest silence in seconds, between two runs, that is filled.
        min_length: shortest run in seconds that stays; every segment counts as a whole second.
    """
    num_segments = mask.shape[-2]
    if max_gap:
        gaps = Runs.of(~mask)
        is_inner = (gaps.start > 0) & (gaps.stop < num_segments)
        mask = mask | gaps.where(is_inner & (gaps.length <= max_gap)).paint(mask.shape)
    if min_length:
        runs = Runs.of(mask)
        mask = runs.where(runs.length >= min_length).paint(mask.shape)
    return mask


def events_of(
    mask_TC: Mask,
    value_TC: Values,
    modality: Modality,
    labels: Sequence[str],
    duration: float,
    inferred: Sequence[str] = (),
) -> list[Event]:
    """One event for each run of a mask.

    Args:
        mask_TC: where each class is perceived.
        value_TC: within 0..1; the score of an event is the mean over its run.
        modality: of all events.
        labels: the C class names.
        duration: seconds of the video, where events end at the latest.
        inferred: the labels whose events are inferred.
    """
    runs = Runs.of(mask_TC)
    columns = (runs.start, runs.stop, runs.column, runs.mean(value_TC))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Event(
            float(start),
            min(float(stop), duration),
            labels[label],
            modality,
            score,
            labels[label] in inferred,
        )
        for start, stop, label, score in rows
    ]


def annotated(
    masks_TC: Mapping[Modality, Mask],
    labels: Sequence[str],
    *,
    source: str = "",
    notes: Sequence[str] = (),
) -> Timeline:
    """Turn the annotated segments of one video into its timeline: every run is an event.

    Args:
        masks_TC: for each annotated modality, (T, C) bool, True where the class is perceived.
        labels: the C class names.
        source: the video's path or id.
        notes: what a reader of the timeline should know.

    Returns:
        Events of score 1; the duration is T seconds.

    Example:
        >>> mask_TC = np.array([[True], [True], [False]])
        >>> [(e.label, e.start, e.end) for e in annotated({Modality.AUDIO: mask_TC}, ["Dog"])]
        [('Dog', 0.0, 2.0)]
    """
    duration = float(max(map(len, masks_TC.values()), default=0))
    return Timeline(
        events=tuple(
            event
            for modality, mask_TC in masks_TC.items()
            for event in events_of(mask_TC, mask_TC.astype(np.float32), modality, labels, duration)
        ),
        duration=duration,
        labels=tuple(labels),
        source=source,
        model=ANNOTATIONS,
        notes=tuple(notes),
    )


def by_modality(audio_TC: Mask, visual_TC: Mask) -> dict[Modality, Mask]:
    """What is heard, what is seen, and what is both in the same segment, (T, C) each.

    Example:
        >>> heard_TC, seen_TC = np.array([[True], [True]]), np.array([[False], [True]])
        >>> by_modality(heard_TC, seen_TC)[Modality.AUDIO_VISUAL][:, 0].tolist()
        [False, True]
    """
    return {
        Modality.AUDIO: audio_TC,
        Modality.VISUAL: visual_TC,
        Modality.AUDIO_VISUAL: audio_TC & visual_TC,
    }


def rasterize(
    timeline: Timeline, num_segments: int, labels: Sequence[str] | None = None
) -> tuple[Mask, Mask]:
    """Draw a timeline on the grid of one-second segments: the way back from `decode`.

    A segment is on when one event covers at least half of it; of a last segment that the video does
    not fill, that is half of the part that it has. An `audio_visual` event is heard and seen.

    Args:
        timeline: the events.
        num_segments: T.
        labels: C labels, the columns of the masks; None takes those of the timeline. Events of
            other labels are left out.

    Returns:
        audio (T, C) and visual (T, C), bool.

    Example:
        >>> from mmpyramid.core import Event, Modality, Timeline
        >>> dog = Event(start=0.4, end=2.0, label="Dog", modality=Modality.AUDIO)
        >>> timeline = Timeline(events=(dog,), duration=3.0, labels=("Dog",))
        >>> heard_TC, seen_TC = rasterize(timeline, 3)
        >>> heard_TC[:, 0].tolist(), seen_TC.any()
        ([True, True, False], np.False_)
    """
    column = {label: i for i, label in enumerate(timeline.labels if labels is None else labels)}

    def mask_of(modality: Modality) -> Mask:
        perceived = (modality, Modality.AUDIO_VISUAL)
        events = [e for e in timeline if e.modality in perceived and e.label in column]
        return _paint_events(events, column, num_segments, timeline.duration)

    return mask_of(Modality.AUDIO), mask_of(Modality.VISUAL)


def heard_and_seen(events: Iterable[Event]) -> Iterator[Event]:
    """Events, of which those that are heard and seen at once are heard, and are seen.

    The events of a parsing network are so already; those of a localization network are not.

    Example:
        >>> both = Event(0.0, 2.0, "Dog", Modality.AUDIO_VISUAL)
        >>> [event.modality.value for event in heard_and_seen([both])]
        ['audio', 'visual', 'audio_visual']
    """
    events = list(events)
    sides = (Modality.AUDIO, Modality.VISUAL)
    if not any(event.modality in sides for event in events):
        for event in events:
            for side in sides:
                yield replace(event, modality=side)
    yield from events


def _paint_events(
    events: Sequence[Event], column: dict[str, int], num_segments: int, duration: float
) -> Mask:
    """The mask (T, C) of the segments of which one event covers at least half."""
    start = np.array([event.start for event in events]).clip(0, num_segments)
    end = np.array([event.end for event in events]).clip(0, num_segments)
    label = np.array([column[event.label] for event in events], dtype=np.int64)

    def covered(segment: NDArray[np.int64]) -> Mask:
        is_cut = (segment < duration) & (duration < segment + 1)
        segment_end = np.where(is_cut, duration, segment + 1)
        overlap = np.minimum(end, segment_end) - np.maximum(start, segment)
        covers: Mask = overlap >= 0.5 * (segment_end - segment)
        return covers

    # Only the first and the last segment that an event touches can be covered in part.
    first = np.floor(start).astype(np.int64)
    last = np.ceil(end).astype(np.int64) - 1
    first_on = np.minimum(first + ~covered(first), num_segments)
    stop_on = np.maximum(last + covered(last), first_on)
    runs = Runs(label * (num_segments + 1) + first_on, stop_on - first_on, num_segments)
    return runs.paint((num_segments, len(column)))

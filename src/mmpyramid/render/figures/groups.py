"""Which bars a figure has: one group for each label and modality, one row for each timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.wording import MODALITY_WORDS
from mmpyramid.render.lanes import to_lanes


@dataclass(frozen=True)
class Group:
    """The events of one label and modality.

    Attributes:
        label: the class name, as the timelines have it.
        modality: how it is perceived.
        rows: for each timeline in order, its events.
    """

    label: str
    modality: Modality
    rows: tuple[tuple[Event, ...], ...]


def to_groups(timelines: Mapping[str, Timeline]) -> dict[Modality, list[Group]]:
    """Group the events of several timelines of one video.

    Labels come by first appearance: in the first timeline, then in the others.

    Returns:
        The groups of every modality in which any timeline has an event.

    Example:
        >>> dog = Timeline(events=(Event(0, 1, "Dog", Modality.AUDIO),), labels=("Dog",))
        >>> [len(g.rows) for g in to_groups({"truth": dog, "ours": Timeline()})[Modality.AUDIO]]
        [2]
    """
    lanes = [
        {(lane.label, lane.modality): lane.events for lane in to_lanes(timeline)}
        for timeline in timelines.values()
    ]
    present = dict.fromkeys(key for lanes_of_one in lanes for key in lanes_of_one)
    labels = dict.fromkeys(label for label, _ in present)
    groups = {
        modality: [
            Group(label, modality, tuple(one.get((label, modality), ()) for one in lanes))
            for label in labels
            if (label, modality) in present
        ]
        for modality in MODALITY_WORDS
    }
    return {modality: some for modality, some in groups.items() if some}

"""Several timelines of one video as one page: a row for each in the same lanes, and differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, Runs, rasterize
from mmpyramid.core.wording import clock
from mmpyramid.render.lanes import TICK_STEPS, remarks_by_name, span
from mmpyramid.render.page.data import MODALITIES, Mark, labels_of, modalities_data, system_data
from mmpyramid.render.page.document import (
    build,
    escape,
    facts_list,
    modality_buttons,
    player,
    remarks_list,
    title_of_video,
)

STYLES = ("base", "lanes", "list", "comparison")
NOTHING = "None of the timelines has an event."
FEWEST = 2


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


def comparison_html(
    timelines: Mapping[str, Timeline], *, video: Path | str | None = None, embed: bool = True
) -> str:
    """Write the page: the lanes of all timelines, where they differ from the first, and how much.

    Times are compared in segments of one second, each label and modality apart. Put the truth
    first, and the page shows what the others miss and what they add.

    Args:
        timelines: of one video, by the name that each is called by; two or more.
        video: the file, or its URL, to play above the lanes.
        embed: put the file into the page instead of linking to it.

    Raises:
        UserError: if there are fewer than two timelines, or the video cannot be read or embedded.

    Example:
        >>> dog = Timeline(source="dog.mp4", duration=10.0)
        >>> page = comparison_html({"truth": dog, "ours": dog})
        >>> "<h1>dog.mp4</h1>" in page
        True
    """
    if len(timelines) < FEWEST:
        raise UserError(
            f"expected two or more timelines to compare, got {len(timelines)}; the page of one "
            "alone is made by `to_html`"
        )
    first = next(iter(timelines.values()))
    longest = max(timeline.duration for timeline in timelines.values())
    models = {name: timeline.model for name, timeline in timelines.items()}
    differences = {name: disagreement(first, each) for name, each in timelines.items()}
    return build(
        "lanes",
        styles=STYLES,
        script="comparison",
        site=None,
        data=_data(timelines, differences),
        title=escape(_title(list(timelines.values()))),
        facts=facts_list({"Duration": clock(longest), **models}),
        remarks=remarks_list(remarks_by_name(timelines)),
        player=player(first, video, embed),
        modalities=modality_buttons(),
        legend=_legend(timelines, differences),
        edit="",
        editor="",
        thresholds="",
        nothing=NOTHING,
        list="Disagreements",
    )


def _title(timelines: Sequence[Timeline]) -> str:
    """The names of the videos; one that is another without its suffix is left out."""
    named = [timeline for timeline in timelines if timeline.source]
    names = dict.fromkeys(map(title_of_video, named or timelines[:1]))
    return ", ".join(n for n in names if not any(other.startswith(f"{n}.") for other in names))


def _legend(timelines: Mapping[str, Timeline], differences: Mapping[str, Disagreement]) -> str:
    """A table with the counts of each timeline, which also says what the marks mean."""
    first, *_ = timelines
    rows = "".join(
        _row(name, len(timelines[name]), None if name == first else differences[name])
        for name in timelines
    )
    return (
        '<div class="counts"><table><caption>Seconds in which the others differ from '
        f"<b>{escape(first)}</b>, over all labels and modalities</caption><thead><tr>"
        '<th scope="col">Timeline</th><th scope="col">events</th><th scope="col">shared</th>'
        '<th scope="col"><i class="sample missed"></i>missed</th>'
        '<th scope="col"><i class="sample extra"></i>extra</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(name: str, num_events: int, difference: Disagreement | None) -> str:
    counts = (
        ("", "", "")
        if difference is None
        else (difference.shared, difference.missed, difference.extra)
    )
    cells = "".join(f"<td>{count}</td>" for count in (num_events, *counts))
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def _data(
    timelines: Mapping[str, Timeline], differences: Mapping[str, Disagreement]
) -> dict[str, Any]:
    """What the page's script reads, see `scripts/model.js`."""
    labels = labels_of(timelines.values())
    return {
        "duration": max(map(span, timelines.values())),
        "isComparison": True,
        "tickSteps": TICK_STEPS,
        **modalities_data(labels),
        "missing": [],
        "systems": [
            system_data(name, timeline, labels, marks=differences[name].marks)
            for name, timeline in timelines.items()
        ],
    }


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
        first_TC, other_TC = (
            np.logical_or(*rasterize(each.of(modality), math.ceil(seconds), labels))
            for each in (first, other)
        )
        shared += int((first_TC & other_TC).sum())
        for is_extra, mask_TC in {False: first_TC & ~other_TC, True: other_TC & ~first_TC}.items():
            counts[is_extra] += int(mask_TC.sum())
            marks += _marks(mask_TC, modality, labels, seconds, is_extra)
    return Disagreement(shared, counts[False], counts[True], tuple(marks))


def _marks(
    mask_TC: Mask, modality: Modality, labels: Sequence[str], seconds: float, is_extra: bool
) -> list[Mark]:
    runs = Runs.of(mask_TC)
    columns = np.stack([runs.column, runs.start, runs.stop], axis=1).tolist()
    return [
        Mark(labels[label], modality, float(start), min(float(stop), seconds), is_extra)
        for label, start, stop in columns
    ]

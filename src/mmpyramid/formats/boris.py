"""Projects of BORIS (.boris), which codes behaviour in videos, and its tables of events.

A label is a state behaviour, a modality a subject: `audible`, `visible` or `both`. A state is two
rows, its start and its stop, which BORIS pairs by their order in time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

import msgspec

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import from_json, real_number, shorten, table_of, to_type
from mmpyramid.core.wording import MODALITY_WORDS, clock, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import MILLISECONDS, Row, to_ticks, to_timeline, with_events

VERSION = "7.0"
DATE = "1970-01-01T00:00:00"
"""The format wants dates; fixed ones make equal timelines equal files."""
STATE = "State event"
PROJECT = "a BORIS project"
TABLE = ("Subject", "Behavior", "Behavior type", "Start (s)", "Stop (s)")
"""Columns of aggregated events as BORIS exports them."""
OBSERVATION = "Observation id"
"""Column that such tables have as well, where nobody took it out."""

SUBJECTS = {word: modality for modality, word in MODALITY_WORDS.items()}


def to_boris(timeline: Timeline, *, media: Path | None = None) -> str:
    """Write a project with one observation; times in milliseconds, scores as comments.

    Source: the project files of BORIS 9, project format 7.0.

    Args:
        timeline: what to write.
        media: the video that is observed; left out, the timeline's source.

    Raises:
        UserError: if two events of one label and modality overlap, which BORIS would pair wrongly.

    Example:
        >>> '"project_format_version": "7.0"' in to_boris(Timeline())
        True
    """
    path = timeline.source if media is None else str(media)
    name = printable(PurePath(timeline.source).stem)
    labels = dict.fromkeys(map(printable, timeline.labels))
    document = {
        "time_format": "hh:mm:ss",
        "project_date": DATE,
        "project_name": name,
        "project_description": f"events found by mmpyramid ({printable(timeline.model)})",
        "project_format_version": VERSION,
        "subjects_conf": {
            str(number): {"key": word[0], "name": word, "description": ""}
            for number, word in enumerate(SUBJECTS)
        },
        "behaviors_conf": {str(n): _behaviour(label) for n, label in enumerate(labels)},
        "observations": {name or "video": _observation(timeline, path)},
        "behavioral_categories": [],
        "behavioral_categories_config": {},
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    return json.dumps(document, indent=1) + "\n"


def from_boris(text: str, unstated: Modality = Modality.AUDIO, name: str = "") -> Timeline:
    """Read the state events of an observation, or a table of aggregated events as BORIS exports it.

    A comment that is a number is the score. Of several observations the one counts that has the
    name of the file. Point events are left out; a note counts them.

    Args:
        text: the content of the file.
        unstated: how an event is perceived whose subject is not audible, visible or both.
        name: the name of the file, without the suffix.

    Raises:
        UserError: if it is neither, or a state has no stop; names label and time.

    Example:
        >>> event = Event(1.0, 4.0, "Dog", Modality.VISUAL, 0.5)
        >>> timeline = Timeline(events=(event,), duration=9.0, labels=("Dog",))
        >>> from_boris(to_boris(timeline)) == timeline
        True
    """
    if not text.lstrip().startswith("{"):
        return _from_table(text, unstated, name)
    project = from_json(text, _Project, PROJECT)
    observation = project.observations[_chosen(project.observations, name)]
    points = {b.code for b in project.behaviors_conf.values() if b.type != STATE}
    rows = [_row(row) for row in observation.events]
    states = [row for row in rows if row.code not in points]
    events = [row.to_event() for row in _paired(states, unstated)]
    lengths = observation.media_info.get("length") or {}
    length = max(to_type(lengths, dict[str, float], PROJECT).values(), default=0.0)
    timeline = Timeline(
        duration=length,
        labels=tuple(dict.fromkeys(b.code for b in project.behaviors_conf.values())),
        source=next((file for files in observation.file.values() for file in files), ""),
        notes=_left_out(len(rows) - len(states)),
    )
    return with_events(timeline, events)


class _Behaviour(msgspec.Struct):
    code: str
    type: str = STATE


class _Observation(msgspec.Struct):
    events: list[list[Any]]
    file: dict[str, list[str]] = {}
    media_info: dict[str, Any] = {}


class _Project(msgspec.Struct):
    observations: dict[str, _Observation]
    behaviors_conf: dict[str, _Behaviour] = {}


@dataclass(frozen=True, slots=True)
class _Coded:
    """One row of an observation."""

    time: float
    subject: str
    code: str
    modifier: str
    comment: str

    @property
    def where(self) -> str:
        return f"{shorten(self.code)!r} at {self.time:.6g} s"


def _row(cells: list[Any]) -> _Coded:
    if len(cells) < 4:
        raise UserError(
            f"expected events with time, subject, code and modifier, got {shorten(repr(cells))}"
        )
    (time,) = to_type(cells[:1], list[float], PROJECT)
    subject, code, modifier, comment = to_type([*cells[1:5], ""][:4], list[str], PROJECT)
    return _Coded(time, subject, code, modifier, comment)


def _chosen(observations: Collection[str], name: str) -> str:
    """The observation that has the name of the file, or the only one."""
    if name in observations:
        return name
    if len(observations) != 1:
        raise UserError(
            f"expected one observation, or one that has the name of the file, got "
            f"{len(observations)}: {shorten(', '.join(observations), 200) or 'none'}; export one "
            "alone from BORIS, or give the file the name of the one that is meant"
        )
    return next(iter(observations))


def _paired(rows: Iterable[_Coded], unstated: Modality) -> Iterator[Row]:
    """Starts and stops, as BORIS pairs them: in turns, for equal subject, code and modifier."""
    open_rows: dict[tuple[str, str, str], _Coded] = {}
    for row in sorted(rows, key=lambda row: row.time):
        key = (row.subject, row.code, row.modifier)
        start = open_rows.pop(key, None)
        if start is None:
            open_rows[key] = row
            continue
        yield Row(
            where=start.where,
            start=str(start.time),
            end=str(row.time),
            label=start.code,
            modality=SUBJECTS.get(start.subject, unstated),
            score=_score(start.comment),
        )
    if open_rows:
        first = next(iter(open_rows.values()))
        raise UserError(f"expected a stop for each state, got none for {first.where}")


def _score(comment: str) -> str:
    """A comment that is a probability; what else a person notes is no score."""
    number = real_number(comment)
    return comment if number is not None and 0 <= number <= 1 else ""


def _from_table(text: str, unstated: Modality, name: str) -> Timeline:
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    lines = list(table_of(text, delimiter, TABLE)[1])
    observations = dict.fromkeys(line.cells.get(OBSERVATION, "") for line in lines)
    chosen = _chosen(observations, name) if lines else ""
    rows, num_points = [], 0
    for line in lines:
        cells = line.cells
        if cells.get(OBSERVATION, "") != chosen:
            continue
        if cells["Behavior type"].strip().upper() == "POINT":
            num_points += 1
            continue
        rows.append(
            Row(
                where=f"line {line.number}",
                start=cells["Start (s)"],
                end=cells["Stop (s)"],
                label=cells["Behavior"],
                modality=SUBJECTS.get(cells["Subject"], unstated),
                score=_score(cells.get("Comment start", "")),
            )
        )
    return replace(to_timeline([row.to_event() for row in rows]), notes=_left_out(num_points))


def _left_out(num_points: int) -> tuple[str, ...]:
    return (f"{num_points} point events of BORIS were left out",) if num_points else ()


def _behaviour(label: str) -> dict[str, Any]:
    return {
        "type": STATE,
        "key": "",
        "code": label,
        "description": "",
        "category": "",
        "modifiers": "",
        "excluded": "",
        "coding map": "",
    }


def _observation(timeline: Timeline, path: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "length": {path: timeline.duration},
        "hasVideo": {path: Modality.VISUAL not in timeline.missing},
        "hasAudio": {path: Modality.AUDIO not in timeline.missing},
    }
    if timeline.frame_rate:
        info["fps"] = {path: float(Fraction(timeline.frame_rate))}
    return {
        "file": {"1": [path] if path else [], **{str(player): [] for player in range(2, 9)}},
        "type": "MEDIA",
        "date": DATE,
        "description": "; ".join(map(printable, timeline.notes)),
        "time offset": 0.0,
        "events": _events(timeline),
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "media_info": info,
    }


def _events(timeline: Timeline) -> list[list[Any]]:
    """Two rows of each event in the order of time, stops before starts."""
    rows = []
    for modality, word in MODALITY_WORDS.items():
        for label, events in _by_label(timeline.of(modality)).items():
            spans = [to_ticks(event, MILLISECONDS) for event in events]
            for (_, end), (start, _) in pairwise(spans):
                if start < end:
                    raise UserError(
                        f"BORIS pairs starts and stops of a label in turns, so that events of one "
                        f"label and modality may not overlap; {shorten(label)!r} does at "
                        f"{clock(start / MILLISECONDS)}; join the two"
                    )
            for (start, end), event in zip(spans, events, strict=True):
                score = f"{round(event.score, 6)}"
                rows.append((start, 1, [start / MILLISECONDS, word, label, "", score]))
                rows.append((end, 0, [end / MILLISECONDS, word, label, "", ""]))
    rows.sort(key=lambda row: row[:2])
    return [row for _, _, row in rows]


def _by_label(timeline: Timeline) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in timeline:
        found.setdefault(printable(event.label), []).append(event)
    return found


register(
    Format(
        name="boris",
        description="a project: a state behaviour per label, subjects by modality",
        programs="BORIS",
        write=to_boris,
        read=from_boris,
        states_modality=False,
        reads_name=True,
        kept="the events, labels and duration",
        suffixes=("boris.tsv", "boris.csv"),
        links_media=True,
        markers_for=("boris",),
        media_type="application/json",
    )
)

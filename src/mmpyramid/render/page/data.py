"""What the script of a page reads: timelines, probabilities to decide from, packed as text.

Where probabilities fit they are exact. An hour of 25 labels would weigh a megabyte, so those of
long videos are rounded in a way that no decision notices (`pack_codes`), and if that does not
suffice, the smallest are left out: those below a floor that no threshold of the page goes under.

Numbers are float32 bits, or one byte each; `scripts/unpack.js` reads them.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

import base64
import json
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from mmpyramid.core import AnyScores, Array, Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import MODALITY_PHRASES, MODALITY_WORDS, title_of
from mmpyramid.problems import Decoder, decode, problem_named
from mmpyramid.problems.base import PageArrays

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
    """One timeline: `[label, modality, start, end, score]` for each event, packed.

    What is inferred has a 1 after that.
    """
    places = {label: place for place, label in enumerate(labels)}
    return {
        "name": name,
        "isThin": is_thin,
        "isScored": any(event.score < 1 for event in timeline),
        "events": pack_json(
            [[*_row(e, places, float(e.score)), *[1] * e.inferred] for e in timeline]
        ),
        "marks": pack_json([_row(mark, places, mark.is_extra) for mark in marks]),
    }


def _row(item: Event | Mark, places: Mapping[str, int], last: float) -> list[float]:
    """Numbers that compress well: whole ones without decimals."""
    numbers = (item.start, item.end, last)
    return [
        places[item.label],
        MODALITIES.index(item.modality),
        *(int(number) if number == int(number) else number for number in numbers),
    ]


FLOORS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
LARGEST_PACKED = 130_000
"""Characters of packed probabilities, for up to an hour; a longer video has as many per hour."""

_HOUR = 3600


class _Choice(NamedTuple):
    """How small probabilities are made: rounded, and from which one on they are kept."""

    is_rounded: bool
    floor: float


def scores_data(
    scores: AnyScores, timeline: Timeline, decoder: Decoder
) -> tuple[dict[str, Any] | None, bool]:
    """What the page decides from.

    Returns:
        The data, None if the page has no rule for the problem of the scores; and whether the
        decoder gives the events of the timeline.

    Raises:
        UserError: if the scores are of another video or other labels, or cannot be decided.
    """
    if scores.labels != timeline.labels:
        raise UserError(
            f"expected the scores that this timeline was made from, for its {len(timeline.labels)} "
            f"labels in the same order; got scores for {len(scores.labels)} labels"
        )
    decided = decode(scores, decoder, duration=timeline.duration, missing=timeline.missing)
    largest = LARGEST_PACKED * max(1, scores.num_segments / _HOUR)
    choices = _choices(decoder)
    problem = problem_named(scores.problem)

    def pack(choice: _Choice) -> dict[str, Any] | None:
        arrays = problem.page_arrays(scores, np.float32(choice.floor))
        return None if arrays is None else _pack(arrays, decoder, choice)

    def fits(choice: _Choice) -> bool:
        packed = pack(choice)
        sizes = (len(packed[part]["bytes"]) for part in ("exact", "rounded")) if packed else ()
        return sum(sizes) <= largest

    packed = pack(choices[bisect_left(choices, True, hi=len(choices) - 1, key=fits)])
    is_decided = decided.events == timeline.events
    if packed is None:
        return None, is_decided
    return {
        "kind": problem.name,
        "segments": scores.num_segments,
        "duration": timeline.duration,
        "inferred": [timeline.labels.index(label) for label in scores.inferred],
        **packed,
    }, is_decided


def decoder_data(decoder: Decoder) -> dict[str, Any]:
    """The fields of a decoder, with the gate that it means."""
    return {**asdict(decoder), "gate": decoder.gate or "global"}


def _choices(decoder: Decoder) -> list[_Choice]:
    """All of it exactly, then with less and less, down to what the thresholds need."""
    lowest = min(_thresholds(decoder))
    floors = [floor for floor in FLOORS if floor <= lowest]
    return [_Choice(False, 0.0), *(_Choice(True, floor) for floor in floors)]


def _thresholds(decoder: Decoder) -> tuple[float, float, float]:
    visual = decoder.threshold if decoder.visual_threshold is None else decoder.visual_threshold
    return decoder.threshold, visual, decoder.video_threshold


def _pack(arrays: PageArrays, decoder: Decoder, choice: _Choice) -> dict[str, Any]:
    exact, rounded = arrays.others, arrays.segments
    if not choice.is_rounded:
        exact, rounded = {**rounded, **exact}, {}
    return {
        "columns": arrays.columns,
        "floor": choice.floor,
        "exact": pack_floats(exact),
        "rounded": pack_codes(rounded, _thresholds(decoder)),
    }


STEPS = 200
"""Steps from 0 to 1 of numbers that take one byte: every stop of a slider, and one between two."""


def pack_floats(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Arrays of float32, those of (T, C) one class after the other.

    The bytes of all numbers are sorted by their significance, which compresses better.

    Example:
        >>> pack_floats({"audio": np.zeros((2, 3), np.float32)})["sizes"]
        {'audio': 6}
    """
    values = _flat(arrays).astype("<f4")
    planes = values.view(np.uint8).reshape(-1, 4).T
    return {"sizes": _sizes(arrays), "bytes": pack_bytes(planes.tobytes())}


def pack_codes(arrays: Mapping[str, Array], kept: Iterable[float]) -> dict[str, Any]:
    """Arrays of probabilities, rounded to one of `STEPS` steps without passing an end of a step.

    So whether a number reaches a threshold stays as it is, for every multiple of a step and for
    those in `kept`. Steps are replaced by their middle, the first one by 0.

    Example:
        >>> pack_codes({"audio": np.float32([0.501, 1.0])}, [])["values"][100::100]
        [0.5024999976158142, 1.0]
    """
    ends = np.unique(np.array([*np.arange(STEPS + 1) / STEPS, *kept], np.float32))
    middles = np.append((ends[:-1] + ends[1:]) / 2, ends[-1])
    middles[0] = 0
    codes = np.searchsorted(ends, _flat(arrays), side="right") - 1
    return {
        "sizes": _sizes(arrays),
        "bytes": pack_bytes(codes.astype(np.uint8).tobytes()),
        "values": middles.tolist(),
    }


def pack_bytes(content: bytes) -> str:
    """Compressed, and written as text."""
    return base64.b64encode(zlib.compress(content, level=9)).decode("ascii")


def pack_json(data: Any) -> str:
    """Lists of numbers that may be long."""
    return pack_bytes(json.dumps(data, separators=(",", ":"), allow_nan=False).encode())


def _flat(arrays: Mapping[str, Array]) -> Array:
    return np.concatenate([np.zeros(0, np.float32), *(a.T.ravel() for a in arrays.values())])


def _sizes(arrays: Mapping[str, Array]) -> dict[str, int]:
    return {name: array.size for name, array in arrays.items()}

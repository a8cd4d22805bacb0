"""Probabilities in a page, from which it decides as Python does.

Where they fit they are exact. An hour of 25 labels would weigh a megabyte, so the probabilities of
long videos are rounded in a way that no decision notices (`pack_codes`), and if that does not
suffice, the smallest are left out: those below a floor that no threshold of the page goes under.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np

from mmpyramid.core import AnyScores, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.problems import Decoder, decode, problem_named
from mmpyramid.problems.base import PageArrays
from mmpyramid.render.page.packing import pack_codes, pack_floats

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
        **packed,
    }, is_decided


def decoder_data(decoder: Decoder) -> dict[str, Any]:
    """The fields of a decoder, with the gate that it means."""
    return asdict(replace(decoder, gate=decoder.gate or "global"))


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

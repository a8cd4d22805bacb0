"""What is heard and seen in a simulated clip of AVE, and where in the picture.

An event is heard and seen at once. Around it, what makes the task hard is planted as well: the
event's sound goes on unseen or its picture unheard, something else is seen silently elsewhere in
the picture, something else is heard that is not in it.

Shape letters: T segments, Y and X places of the picture, C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmpyramid.datasets.synthetic.simulation import Activations

GRID = 7
MIDDLE = 4
"""Where the quarters of the picture begin that hold the event and what distracts from it."""


def draw_scene(
    category: int,
    segment_T: NDArray[np.int64],
    num_classes: int,
    difficulty: float,
    rng: np.random.Generator,
) -> tuple[Activations, Activations]:
    """Draw a clip.

    With difficulty h, the event goes on unseen in h / 2 of the clips, and unheard in h / 2. Another
    class is seen in most clips and a third one heard in some, 0.3 + 0.6 h as strong as an event. A
    clip without an event has one class heard and another one seen, both at full strength.

    Args:
        category: class of the event, C if there is none.
        segment_T: class of each segment, C where there is background.
        num_classes: C.
        difficulty: 0 to 1.
        rng: source of randomness.

    Returns:
        How much is heard, (T, C), and seen, (T, Y, X, C), 0 to 1.
    """
    T = len(segment_T)
    heard_TC, seen_TC = np.zeros((2, T, num_classes))
    others = [other for other in rng.permutation(num_classes) if other != category]
    silent, unseen = others[:1], others[1:2]
    places_2TYX = _draw_places(T, rng)
    which_C = np.zeros(num_classes, np.int64)
    which_C[silent] = 1
    if category == num_classes:
        seen_TC[:, silent] = heard_TC[:, unseen] = 1
    else:
        strength = 0.3 + 0.6 * difficulty
        seen_TC[_draw_span(T, rng, chance=0.8), silent] = strength
        heard_TC[_draw_span(T, rng, chance=0.4), unseen] = strength
        goes_on = rng.random()
        heard_TC[(segment_T == category) | (goes_on < difficulty / 2), category] = 1
        seen_TC[(segment_T == category) | (goes_on > 1 - difficulty / 2), category] = 1
    places_TYXC = np.moveaxis(places_2TYX[which_C], 0, -1)
    return heard_TC, seen_TC[:, None, None, :] * places_TYXC


def _draw_span(num_segments: int, rng: np.random.Generator, chance: float) -> slice:
    """A stretch of time, empty in some clips."""
    onset, offset = sorted(rng.integers(0, num_segments + 1, 2))
    return slice(onset, offset if rng.random() < chance else onset)


def _draw_places(num_segments: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(2, T, Y, X): two rectangles that move within different quarters of the picture."""
    places_2TYX = np.zeros((2, num_segments, GRID, GRID), np.bool_)
    for place_TYX, quarter in zip(places_2TYX, rng.permutation(4)[:2], strict=True):
        inside_TYX = np.ones_like(place_TYX)
        for axis, low in ((1, quarter // 2), (2, quarter % 2)):
            inside_TYX &= np.expand_dims(_draw_side(num_segments, bool(low), rng), 3 - axis)
        place_TYX[:] = inside_TYX
    return places_2TYX


def _draw_side(num_segments: int, low: bool, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(T, GRID): one side of a rectangle, two or three places long, drifting along an axis."""
    begin, room = (0, MIDDLE) if low else (MIDDLE, GRID - MIDDLE)
    length = rng.integers(2, 4)
    steps_T = rng.choice([-1, 0, 1], size=num_segments, p=[0.1, 0.8, 0.1])
    start_T = begin + np.clip(rng.integers(room) + steps_T.cumsum(), 0, room - length)
    place = np.arange(GRID)
    covered: NDArray[np.bool_] = (start_T[:, None] <= place) & (place < start_T[:, None] + length)
    return covered

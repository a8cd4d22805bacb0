"""What the teachers share: the length of a video, and scores pooled over it or around a segment.

Axes: T segments of one second, C labels, W segments around one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mmpyramid.core import Array, Features
from mmpyramid.core.errors import UserError
from mmpyramid.core.scores import LONE, NUM_BEST

RADIUS = 5
"""The surroundings of a segment in a long video: this many seconds before and after it."""


def shared_length(features: Features, streams: Mapping[str, int], teacher: str, advice: str) -> int:
    """The number of segments T, which all streams must share.

    Args:
        features: by stream, (T, D).
        streams: D of each stream that is read; some may be missing, but not all.
        teacher: who reads them, for the message.
        advice: what to extract, for the message.

    Raises:
        UserError: if there is no stream to read, or shapes do not agree.

    Example:
        >>> shared_length({"yamnet": np.zeros((9, 2))}, {"yamnet": 2}, "teachers", "`open`")
        9
    """
    shapes: dict[str, tuple[int, ...]] = {
        name: features[name].shape for name in streams if name in features
    }
    lengths = {shape[0] for shape in shapes.values()}
    if len(lengths) != 1 or any(
        shape != (shape[0], streams[name]) for name, shape in shapes.items()
    ):
        wanted = ", ".join(f"{name} (T, {dim})" for name, dim in streams.items())
        given = ", ".join(f"{name} {values.shape}" for name, values in features.items())
        raise UserError(
            f"{teacher} read one or more of the streams {wanted}, with the same T; got "
            f"{given or 'nothing'}. Extract {advice}"
        )
    return lengths.pop()


def calibrate(raw: Array, threshold: Array) -> Array:
    """Shift the logit of a raw score so that `threshold` becomes exactly 0.5; 0 and 1 stay.

    The same as sigmoid(logit(raw) - logit(threshold)): monotone, so no ranking changes.

    Args:
        raw: (..., C) scores within 0..1.
        threshold: (C,) within 0..1, ends excluded.

    Example:
        >>> calibrate(np.array([0.0, 0.25, 1.0]), np.array([0.25])).tolist()
        [0.0, 0.5, 1.0]
    """
    on, off = raw * (1 - threshold), (1 - raw) * threshold
    return np.asarray(on / (on + off), dtype=np.float32)


def best(score_TC: Array) -> Array:
    """The mean of the best `NUM_BEST` segments, or of all if there are fewer, (C,).

    Example:
        >>> best(np.array([[0.9], [0.1], [0.3], [0.6]])).round(2).tolist()
        [0.6]
    """
    mean: Array = np.sort(score_TC, axis=0)[-NUM_BEST:].mean(axis=0)
    return mean


def in_video(score_TC: Array) -> Array:
    """How sure a label is in a video, by its scores in the segments: see `best`, and `LONE`, (C,).

    Example:
        >>> in_video(np.array([[0.2], [0.9], [0.0], [0.0], [0.0]])).round(2).tolist()
        [0.5]
    """
    alone_C = calibrate(highest(score_TC), np.array(LONE, np.float32))
    return np.maximum(best(score_TC), alone_C)


def highest(score_TC: Array) -> Array:
    """The maximum over segments, (C,)."""
    maximum: Array = score_TC.max(axis=0)
    return maximum


Pooling = Callable[[Array], Array]
"""(T, C) to (C,)."""

Around = Callable[[Array, Pooling], Array]
"""Pools what is around each segment: (T, C) to (T, C), or to (1, C) where it is all the same."""


def surroundings(score_TC: Array, pool: Pooling) -> Array:
    """Pool from `RADIUS` seconds before each segment to `RADIUS` seconds after, (T, C)."""
    padded = np.pad(score_TC, ((RADIUS, RADIUS), (0, 0)))
    windows_TCW = sliding_window_view(padded, 2 * RADIUS + 1, axis=0)
    return pool(np.moveaxis(windows_TCW, -1, 0))


def everywhere(score_TC: Array, pool: Pooling) -> Array:
    """Pool the whole video, (1, C)."""
    return pool(score_TC)[None]

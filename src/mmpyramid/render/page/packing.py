"""Numbers as text in a page: float32 bits, or one byte each; `scripts/unpack.js` reads them.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mmpyramid.core import Array

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

"""Reads JSON that may hold anything into values of known types, or says what is wrong and where."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import read_text, shorten

T = TypeVar("T")

LARGEST_DESCRIPTION = 16 * 2**20
"""Bytes of a file that describes another: a configuration, a store, a summary."""
PLACE = re.compile(r"(?s)(?P<problem>.*) - at `\$\.?(?P<place>.*)`")


def read_json(path: Path, kind: type[T], what: str, largest: int = LARGEST_DESCRIPTION) -> T:
    """Read a JSON file.

    Args:
        path: the file.
        kind: type of its content, as `msgspec` knows types.
        what: what it is, for messages: `the description of a store`.
        largest: bytes.

    Raises:
        UserError: if the file cannot be read or its content is of another type; names the place.
    """
    text = read_text(path, largest)
    try:
        return from_json(text, kind, what)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from error


def from_json(text: str, kind: type[T], what: str) -> T:
    """Read a JSON text; numbers have to be finite.

    Args:
        text: the JSON.
        kind: type of its content.
        what: what it is, for messages.

    Raises:
        UserError: if it is no JSON, or of another type; names the place.

    Example:
        >>> from_json('{"epochs": [3, "x"]}', dict[str, list[int]], "the log of a run")
        Traceback (most recent call last):
        ...
        mmpyramid.core.errors.UserError: expected the log of a run; `[...][1]` should be `int`, ...
    """
    try:
        # Not msgspec's own decoder: it refuses the escaped bytes of names that are no UTF-8.
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise UserError(
            f"expected {what} as JSON, got other text (line {error.lineno}: {error.msg})"
        ) from error
    except RecursionError as error:
        raise UserError(f"expected {what}, got JSON of too many levels") from error
    except ValueError as error:
        raise UserError(f"expected {what}, got JSON with a wrong number ({error})") from error
    return to_type(value, kind, what)


def to_type(value: Any, kind: type[T], what: str) -> T:
    """Plain values, as JSON and YAML give them, as a type; nothing is converted.

    Raises:
        UserError: if they are of another type; names the place.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, UserError):  # From a `__post_init__`, with no place to add.
            raise UserError(str(error.__cause__)) from error
        raise UserError(f"expected {what}; {_told(str(error))}") from error
    except (RecursionError, OverflowError) as error:
        raise UserError(f"expected {what}, got values that are too deep or too large") from error
    except UnicodeEncodeError as error:
        raise UserError(f"expected {what}, got half a character ({error})") from error


def _told(problem: str) -> str:
    found = PLACE.fullmatch(problem)
    if found is None:
        return shorten(problem[:1].lower() + problem[1:], 300)
    place, said = shorten(found["place"]), shorten(found["problem"], 300)
    if said.startswith("Expected "):
        return f"`{place}` should be {said.removeprefix('Expected ')}"
    return f"`{place}`: {said[:1].lower()}{said[1:]}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which is not finite")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{shorten(digits, 20)}, which is too large")
    return value

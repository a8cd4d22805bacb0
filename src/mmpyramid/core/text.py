"""Reads text that others wrote: its encoding, its size, lines, tables, numbers and JSON.

Every table and list goes through this file, whichever layout or format it belongs to, so that what
`csv` or a codec cannot read is always a `UserError` that names the line and says what to do. JSON
of unknown content is read into values of known types, or an error says what is wrong and where.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import msgspec

from mmpyramid.core.errors import UserError

if TYPE_CHECKING:
    from _csv import Reader

LARGEST_FILE = 256 * 2**20
"""Bytes of a text file; the annotations of a million videos take some hundred MB."""
LONGEST_LINE = 2**20
LONGEST_CELL = 2**16
LONGEST_NUMBER = 18
"""Digits of a whole number, so that every one fits into 64 bits."""

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # Begins as UTF-16's does, so it is looked for before it.
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
NAMES_SHOWN = 200
SEPARATORS = {",": "commas", "\t": "tabs"}


class Line(NamedTuple):
    """One row of a table: the number of its last line in the file, and its cells by column."""

    number: int
    cells: dict[str, str]


def read_bytes(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """Read a regular file of limited size.

    Raises:
        UserError: if there is no such file, it is a folder or a device, or it is larger.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise UserError(f"cannot read {path}: expected a file, got {kind}")
        if found.st_size > largest:
            raise UserError(
                f"cannot read {path}: expected at most {largest / 2**20:.0f} MiB, got "
                f"{found.st_size / 2**20:.0f} MiB; is it the right file?"
            )
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except UserError:
        raise
    except ValueError as error:  # A NUL in the name.
        raise UserError(f"cannot read {str(path)!r}: {error}") from error


def read_text(path: Path, largest: int = LARGEST_FILE) -> str:
    r"""Read a text file: UTF-8, or what its byte order mark says.

    Raises:
        UserError: as `read_bytes`, or if the file is in another encoding; names file and line.

    Example:
        >>> read_text(Path("labels.txt"))  # doctest: +SKIP
        'Dog\nCat\n'
    """
    with _naming(path):
        return decode(read_bytes(path, largest))


class TextError(UserError):
    """Bytes that are no text, or rows that are no table; says at which line."""


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with its text."""
    try:
        yield
    except TextError as error:
        raise UserError(f"cannot read {path}: {error}") from error


def decode(content: bytes) -> str:
    r"""The text in the bytes of a file: UTF-8, or what its byte order mark says.

    Raises:
        TextError: if it is in another encoding or holds NUL; names the line.

    Example:
        >>> decode(b"\xff\xfeD\0o\0g\0")
        'Dog'
    """
    mark = next((mark for mark in BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    encoding = BYTE_ORDER_MARKS.get(mark, "utf-8")
    content = content[len(mark) :]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "replace").count("\n") + 1
        found = content[error.start : error.end].hex(" ")
        raise TextError(
            f"line {line}: expected text in {encoding.upper()}, got the bytes {found}, which are "
            "not valid in it; it may be in Latin-1 or another regional encoding: save it as UTF-8"
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise TextError(
            f"line {line}: expected text, got a NUL; it may be UTF-16 without a byte order mark, "
            "or not text at all: save it as UTF-8"
        )
    return text


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    r"""The lines of a text with their numbers from 1, without line breaks.

    Raises:
        TextError: if a line is too long.

    Example:
        >>> list(lines_of("Dog\r\nCat\n"))
        [(1, 'Dog'), (2, 'Cat')]
    """
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if len(line) > LONGEST_LINE:
            raise TextError(
                f"line {number}: expected at most {LONGEST_LINE:,} characters in a line, got "
                f"{len(line):,}"
            )
        yield number, line.removesuffix("\n")


def table_of(
    text: str,
    delimiter: str,
    required: Sequence[str] = (),
    *,
    quoted: bool = True,
    ragged: bool = False,
) -> tuple[tuple[str, ...], Iterator[Line]]:
    r"""The columns and the rows of a table under a header.

    Args:
        text: the content of the file.
        delimiter: comma or tab.
        required: columns that have to be there.
        quoted: whether a cell in quotes may hold delimiters and line breaks.
        ragged: whether rows may lack cells, which are then empty, or have more than the header.

    Returns:
        The columns, and the rows, which are read while they are asked for.

    Raises:
        TextError: if a column is missing or there twice; while reading, if a row has more or
            fewer cells than the header, a quote is left open, or a cell is too long. Names the
            line.

    Example:
        >>> columns, rows = table_of("name\tage\nBo\t7\n", "\t")
        >>> columns, [line.cells["age"] for line in rows]
        (('name', 'age'), ['7'])
    """
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    columns = tuple(_next(reader) or ())
    if missing := [name for name in required if name not in columns]:
        raise TextError(
            f"line 1: expected the columns {', '.join(required)}, separated by "
            f"{SEPARATORS[delimiter]}; {', '.join(missing)} not found in: "
            f"{shorten(', '.join(columns), NAMES_SHOWN) or 'an empty file'}"
        )
    twice = [name for name in dict.fromkeys(columns) if name and columns.count(name) > 1]
    if twice:
        raise TextError(f"line 1: expected every column once, got {twice[0]!r} twice")
    return columns, _rows(reader, columns, ragged)


def read_table(
    path: Path,
    delimiter: str,
    required: Sequence[str] = (),
    *,
    quoted: bool = True,
    ragged: bool = False,
) -> tuple[tuple[str, ...], Iterator[Line]]:
    """The table in a file; see `table_of`.

    Raises:
        UserError: as `read_text` and `table_of`; names the file.
    """
    text = read_text(path)
    with _naming(path):
        columns, rows = table_of(text, delimiter, required, quoted=quoted, ragged=ragged)

    def named() -> Iterator[Line]:
        with _naming(path):
            yield from rows

    return columns, named()


def read_list(path: Path) -> list[tuple[int, str]]:
    """The lines of a file with their numbers, without surrounding spaces and without empty ones.

    Raises:
        UserError: as `read_text`, or if a line is too long.
    """
    text = read_text(path)
    with _naming(path):
        stripped = [(number, line.strip()) for number, line in lines_of(text)]
    return [(number, line) for number, line in stripped if line]


def _rows(reader: Reader, columns: Sequence[str], ragged: bool) -> Iterator[Line]:
    while (cells := _next(reader)) is not None:
        if not cells:
            continue  # A line with nothing in it.
        if len(cells) != len(columns) and not ragged:
            raise TextError(
                f"line {reader.line_num}: expected {len(columns)} cells, as in line 1, got "
                f"{len(cells)}"
            )
        cells += [""] * (len(columns) - len(cells))
        yield Line(reader.line_num, dict(zip(columns, cells, strict=False)))


def _next(reader: Reader) -> list[str] | None:
    """The next row, None at the end."""
    start = reader.line_num + 1
    try:
        cells: list[str] | None = next(reader, None)
    except csv.Error as error:
        raise TextError(
            f"line {start}: expected cells, but reading failed ({error}); is a quote left open?"
        ) from error
    longest = max(map(len, cells or ()), default=0)
    if longest > LONGEST_CELL:
        raise TextError(
            f"line {start}: expected at most {LONGEST_CELL:,} characters in a cell, got {longest:,}"
        )
    return cells


def whole_number(text: str) -> int | None:
    """A whole number in ASCII digits; None for other text, and for more than 64 bits.

    Example:
        >>> [whole_number(text) for text in ("10", "-1", "1.5", "²", "9" * 5000)]
        [10, None, None, None, None]
    """
    is_one = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return int(text) if is_one else None


def real_number(text: str) -> float | None:
    """A number as tables have it, which may be infinite or NaN; None for other text.

    Python would also take `1_0` and digits of other scripts.

    Example:
        >>> [real_number(text) for text in ("2.5", " -1e3 ", "1_0", "２", "")]
        [2.5, -1000.0, None, None, None]
    """
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def shorten(text: str, length: int = 80) -> str:
    """The beginning of a text for a message: what came may be of any length.

    Example:
        >>> shorten("x" * 100, 5)
        'xxxxx… (100 characters)'
    """
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


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
    """Read a JSON text; numbers have to be finite, and keys of an object different.

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
        value = json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_to_object
        )
    except json.JSONDecodeError as error:
        raise UserError(
            f"expected {what}, got text that is not JSON (line {error.lineno}: {error.msg})"
        ) from error
    except RecursionError as error:
        raise UserError(f"expected {what}, got JSON of too many levels") from error
    except _RepeatedKeyError as error:
        raise UserError(f"expected {what}, got JSON with {error}; remove one of them") from error
    except _NumberError as error:
        raise UserError(f"expected {what}, got JSON with a wrong number ({error})") from error
    except ValueError as error:  # Python converts no more than some thousand digits.
        raise UserError(
            f"expected {what}, got JSON with a whole number of more digits than can be read"
        ) from error
    return to_type(value, kind, what)


def to_type(value: Any, kind: type[T], what: str) -> T:
    """Plain values, as JSON and YAML give them, as a type, without conversions.

    Raises:
        UserError: if they are of another type; names the place.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, UserError):  # From a `__post_init__`, with no place to add.
            raise UserError(str(error.__cause__)) from error
        raise UserError(f"expected {what}; {_in_words(str(error))}") from error
    except (RecursionError, OverflowError) as error:
        raise UserError(f"expected {what}, got values that are too deep or too large") from error
    except UnicodeEncodeError as error:
        raise UserError(f"expected {what}, got an unpaired surrogate ({error})") from error


def _in_words(problem: str) -> str:
    found = PLACE.fullmatch(problem)
    if found is None:
        return shorten(problem[:1].lower() + problem[1:], 300)
    place, expected = shorten(found["place"]), shorten(found["problem"], 300)
    if expected.startswith("Expected "):
        return f"`{place}` should be {expected.removeprefix('Expected ')}"
    return f"`{place}`: {expected[:1].lower()}{expected[1:]}"


class _RepeatedKeyError(ValueError):
    """A key of an object is there twice, so that one of its values would be lost."""


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        key = next(key for key, count in counts.items() if count > 1)
        raise _RepeatedKeyError(f"the key {shorten(key)!r} {counts[key]} times in one object")
    return found


class _NumberError(ValueError):
    """A number that no value can have."""


def _refuse(constant: str) -> NoReturn:
    raise _NumberError(f"{constant}, which is not finite")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _NumberError(f"{shorten(digits, 20)}, which is too large")
    return value

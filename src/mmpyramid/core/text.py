"""Reads text that other people wrote: its encoding, its size, lines, tables and whole numbers.

Every table and list goes through this file, whichever layout or format it belongs to, so that what
`csv` or a codec cannot read is always a `UserError` that names the line and says what to do.
"""

from __future__ import annotations

import codecs
import csv
import io
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
    try:
        return decode(read_bytes(path, largest))
    except TextError as error:
        raise UserError(f"cannot read {path}: {error}") from error


class TextError(UserError):
    """Bytes that are no text, or rows that are no table; says at which line."""


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
            "none; it may be in Latin-1 or another encoding of one's country: save it as UTF-8"
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise TextError(
            f"line {line}: expected text, got a NUL; it may be UTF-16 without a byte order mark, "
            "or no text at all: save it as UTF-8"
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
    try:
        columns, rows = table_of(text, delimiter, required, quoted=quoted, ragged=ragged)
    except TextError as error:
        raise UserError(f"cannot read {path}: {error}") from error

    def named() -> Iterator[Line]:
        try:
            yield from rows
        except TextError as error:
            raise UserError(f"cannot read {path}: {error}") from error

    return columns, named()


def read_list(path: Path) -> list[tuple[int, str]]:
    """The lines of a file with their numbers, without surrounding spaces and without empty ones.

    Raises:
        UserError: as `read_text`, or if a line is too long.
    """
    text = read_text(path)
    try:
        stripped = [(number, line.strip()) for number, line in lines_of(text)]
    except TextError as error:
        raise UserError(f"cannot read {path}: {error}") from error
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
            f"line {start}: expected cells, got what is none ({error}); is a quote left open?"
        ) from error
    longest = max(map(len, cells or ()), default=0)
    if longest > LONGEST_CELL:
        raise TextError(
            f"line {start}: expected at most {LONGEST_CELL:,} characters in a cell, got {longest:,}"
        )
    return cells


def whole_number(text: str) -> int | None:
    """A whole number in ASCII digits, None for anything else and for what no 64 bits hold.

    Example:
        >>> [whole_number(text) for text in ("10", "-1", "1.5", "²", "9" * 5000)]
        [10, None, None, None, None]
    """
    is_one = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return int(text) if is_one else None


def shorten(text: str, length: int = 80) -> str:
    """The beginning of a text for a message: what came may be of any length.

    Example:
        >>> shorten("x" * 100, 5)
        'xxxxx… (100 characters)'
    """
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"

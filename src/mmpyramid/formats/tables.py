"""Events as rows under a header: CSV for spreadsheets, TSV for sound event detection."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import Line, shorten, table_of
from mmpyramid.core.wording import INFERRED, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import Row, to_seconds, to_timeline

CSV_COLUMNS = ("label", "modality", "start", "end", "score")
TSV_COLUMNS = ("filename", "onset", "offset", "event_label", "modality", "score")
OPTIONAL = ("filename", "modality", "score")
TSV_NAMES = {"onset": "start", "offset": "end", "event_label": "label"}


def to_csv(timeline: Timeline, *, raw: bool = False) -> str:
    """Write one row per event under a header row; times in seconds, rounded to six decimals.

    Where some are inferred, a last column says which.

    Args:
        timeline: what to write.
        raw: do not escape labels that a spreadsheet would run as formulas; `from_csv` reads
            both.

    Example:
        >>> print(to_csv(Timeline()), end="")
        label,modality,start,end,score
    """
    rows = ((e.label, e.modality.value, *to_seconds(e), round(e.score, 6)) for e in timeline)
    return to_table(*with_inferred(timeline, CSV_COLUMNS, rows), raw=raw)


def from_csv(text: str) -> Timeline:
    r"""Read what `to_csv` wrote or a person changed; a score may be left out.

    Raises:
        UserError: if a column is missing or a row is not an event; names the line.

    Example:
        >>> from_csv("label,modality,start,end\nDog,audio,2,9.5\n").duration
        9.5
    """
    required = [name for name in CSV_COLUMNS if name not in {"score"}]
    _, rows = table_of(text, ",", required)
    return to_timeline([_row(line).to_event() for line in rows])


def to_tsv(timeline: Timeline, *, raw: bool = False) -> str:
    """Write one row per event as DCASE does, followed by the modality and the score.

    Where some are inferred, a last column says which.

    Source: the event lists of the DCASE challenges (`filename`, `onset`, `offset`, `event_label`),
    as sed_eval and sed_scores_eval read them. They take every row for a sound: to evaluate what is
    heard, write `timeline.of("audio")`.

    Args:
        timeline: what to write.
        raw: do not escape names and labels that a spreadsheet would run as formulas, as
            programs other than ours need them; `from_tsv` reads both.

    Example:
        >>> print(to_tsv(Timeline()).expandtabs(1), end="")
        filename onset offset event_label modality score
    """
    filename = printable(PurePath(timeline.source).name)
    rows = (
        (filename, *to_seconds(e), e.label, e.modality.value, round(e.score, 6)) for e in timeline
    )
    return to_table(*with_inferred(timeline, TSV_COLUMNS, rows), delimiter="\t", raw=raw)


def from_tsv(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    r"""Read the DCASE events of one file.

    Args:
        text: the content of the file.
        unstated: how events are perceived where there is no column `modality`.

    Raises:
        UserError: if a column is missing, a row is not an event, or the rows are of several files.

    Example:
        >>> from_tsv("onset\toffset\tevent_label\n2.0\t9.5\tDog\n").events[0].modality.value
        'audio'
    """
    required = [name for name in TSV_COLUMNS if name not in OPTIONAL]
    _, lines = table_of(text, "\t", required)
    rows = list(lines)
    files = dict.fromkeys(unescaped(line.cells.pop("filename", "")) for line in rows)
    if len(files) > 1:
        raise UserError(
            f"expected the events of one file, got those of {len(files)}: "
            f"{', '.join(map(shorten, list(files)[:3]))}, ...; write a table for each"
        )
    rows = [Line(line.number, {"modality": unstated, **line.cells}) for line in rows]
    events = [_row(line).to_event() for line in rows]
    return to_timeline(events, source=next(iter(files), ""))


def with_inferred(
    timeline: Timeline, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    """A table with one more column, `inferred`, if some of the events are."""
    if not any(event.inferred for event in timeline):
        return columns, rows
    marks = (str(event.inferred).lower() for event in timeline)
    return (*columns, INFERRED), ((*row, mark) for row, mark in zip(rows, marks, strict=True))


def to_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    delimiter: str = ",",
    *,
    raw: bool = False,
) -> str:
    """Write a header and rows, quoted where needed, with Unix line ends.

    Args:
        columns: the header.
        rows: as many cells each; numbers are not text.
        delimiter: comma or tab.
        raw: do not escape cells that a spreadsheet would run.
    """
    as_written = (lambda cell: cell) if raw else escaped
    return "".join(_line(map(as_written, cells), delimiter) for cells in (columns, *rows))


FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a cell begins that a spreadsheet runs, or that would be taken for an escaped one."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def escaped(cell: object) -> object:
    """A cell that no spreadsheet runs as a formula: it gets an apostrophe, unless it is a number.

    Source: OWASP, CSV Injection.

    Example:
        >>> [escaped(cell) for cell in ("Dog", "=1+1", "-4NLarMj4xU", "-4", -0.5)]
        ['Dog', "'=1+1", "'-4NLarMj4xU", '-4', -0.5]
    """
    is_formula = isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def unescaped(cell: str) -> str:
    """What `escaped` was given.

    Example:
        >>> [unescaped(cell) for cell in ("Dog", "'=1+1", "'tis")]
        ['Dog', '=1+1', "'tis"]
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def _line(cells: Iterable[object], delimiter: str) -> str:
    text = io.StringIO()
    # Python 3.11 quotes what is in the line end only, and a lone \r has to be quoted.
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _row(line: Line) -> Row:
    named = {TSV_NAMES.get(name, name): cell for name, cell in line.cells.items()}
    read = (*CSV_COLUMNS, INFERRED)
    known = {name: unescaped(cell) for name, cell in named.items() if name in read}
    return Row(where=f"line {line.number}", **known)


register(
    Format(
        name="csv",
        description="a row per event",
        programs="spreadsheets, pandas, R",
        write=to_csv,
        read=from_csv,
        kept="the events",
        for_spreadsheets=True,
        media_type="text/csv",
    )
)
register(
    Format(
        name="tsv",
        description="the event list of DCASE",
        programs="sed_eval, sed_scores_eval",
        write=to_tsv,
        read=from_tsv,
        states_modality=False,
        kept="the events",
        for_spreadsheets=True,
    )
)

"""Events as rows under a header: CSV for spreadsheets, TSV for sound event detection."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import Row, to_seconds, to_timeline

CSV_COLUMNS = ("label", "modality", "start", "end", "score")
TSV_COLUMNS = ("filename", "onset", "offset", "event_label", "modality", "score")
OPTIONAL = ("filename", "modality", "score")
SEPARATORS = {",": "commas", "\t": "tabs"}
TSV_NAMES = {"onset": "start", "offset": "end", "event_label": "label"}


def to_csv(timeline: Timeline) -> str:
    """Write one row per event under a header row; times in seconds, rounded to six decimals.

    Example:
        >>> print(to_csv(Timeline()), end="")
        label,modality,start,end,score
    """
    rows = ((e.label, e.modality.value, *to_seconds(e), round(e.score, 6)) for e in timeline)
    return to_table(CSV_COLUMNS, rows)


def from_csv(text: str) -> Timeline:
    r"""Read what `to_csv` wrote or a person changed; the column `score` may be left out.

    Raises:
        UserError: if a column is missing or a row is not an event; names the line.

    Example:
        >>> from_csv("label,modality,start,end\nDog,audio,2,9.5\n").duration
        9.5
    """
    required = [name for name in CSV_COLUMNS if name not in {"score"}]
    return to_timeline(
        [_row(where, cells).to_event() for where, cells in read_rows(text, ",", required)]
    )


def to_tsv(timeline: Timeline) -> str:
    """Write one row per event as DCASE does, followed by the modality and the score.

    Source: the event lists of the DCASE challenges (`filename`, `onset`, `offset`, `event_label`),
    as sed_eval and sed_scores_eval read them. They take every row for a sound: to evaluate what is
    heard, write `timeline.of("audio")`.

    Example:
        >>> print(to_tsv(Timeline()).expandtabs(1), end="")
        filename onset offset event_label modality score
    """
    filename = printable(PurePath(timeline.source).name)
    rows = (
        (filename, *to_seconds(e), e.label, e.modality.value, round(e.score, 6)) for e in timeline
    )
    return to_table(TSV_COLUMNS, rows, delimiter="\t")


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
    rows = list(read_rows(text, "\t", required))
    files = dict.fromkeys(cells.pop("filename", "") for _, cells in rows)
    if len(files) > 1:
        raise UserError(
            f"expected the events of one file, got those of {len(files)}: "
            f"{', '.join(list(files)[:3])}, ...; write a table for each"
        )
    events = [_row(where, {"modality": unstated, **cells}).to_event() for where, cells in rows]
    return to_timeline(events, source=next(iter(files), ""))


def to_table(columns: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> str:
    """Write a header and rows, quoted where needed, with Unix line ends."""
    return "".join(_line(cells, delimiter) for cells in (columns, *rows))


def _line(cells: Sequence[object], delimiter: str) -> str:
    text = io.StringIO()
    # Python 3.11 quotes what is in the line end only, and a lone \r has to be quoted.
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def read_rows(
    text: str, delimiter: str, required: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Read the rows under a header.

    Args:
        text: the content of the file.
        delimiter: comma or tab.
        required: columns that have to be there.

    Yields:
        The place of each row, such as `line 2`, and its cells by column.

    Raises:
        UserError: if a column is missing, or a row has more or fewer cells than the header.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        found = reader.fieldnames or ()
        if missing := [name for name in required if name not in found]:
            raise UserError(
                f"line 1: expected the columns {', '.join(required)}, separated by "
                f"{SEPARATORS[delimiter]}; {', '.join(missing)} not found in: "
                f"{', '.join(found) or 'an empty file'}"
            )
        for cells in reader:
            where = f"line {reader.line_num}"
            if None in cells or None in cells.values():
                raise UserError(f"{where}: expected {len(found)} cells, as in line 1")
            yield where, cells
    except csv.Error as error:
        raise UserError(
            f"after line {reader.line_num}: expected cells ({error}); is a quote left open?"
        ) from error


def _row(where: str, cells: dict[str, str]) -> Row:
    named = {TSV_NAMES.get(name, name): cell for name, cell in cells.items()}
    known = {name: cell for name, cell in named.items() if name in CSV_COLUMNS}
    return Row(where=where, **known)


register(
    Format(
        name="csv",
        description="a row per event",
        programs="spreadsheets, pandas, R",
        write=to_csv,
        read=from_csv,
        kept="the events",
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
    )
)

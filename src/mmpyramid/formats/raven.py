"""Selection tables of Raven (.selections.txt), for bioacoustics: what is heard."""

from __future__ import annotations

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import heard_and_seen
from mmpyramid.core.text import table_of
from mmpyramid.core.wording import printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import Row, to_seconds, to_timeline
from mmpyramid.formats.tables import to_table

BEGIN, END, LABEL = "Begin Time (s)", "End Time (s)", "Annotation"
COLUMNS = (
    *("Selection", "View", "Channel", BEGIN, END),
    *("Low Freq (Hz)", "High Freq (Hz)", LABEL, "Score"),
)
HIGHEST = 8000.0
"""Hz: half of the 16 kHz at which sound is listened to here."""


def to_raven(timeline: Timeline) -> str:
    r"""Write a selection per event that is heard, over all frequencies that were listened to.

    Source: the selection tables of Raven Pro 1.6 (Cornell Lab of Ornithology).

    Example:
        >>> to_raven(Timeline()).rstrip().split("\t")[-2:]
        ['Annotation', 'Score']
    """
    rows = []
    heard = (e for e in heard_and_seen(timeline) if e.modality == Modality.AUDIO)
    for number, event in enumerate(heard, start=1):
        start, end = to_seconds(event)
        box = (number, "Spectrogram 1", 1, start, end, 0.0, HIGHEST)
        rows.append((*box, printable(event.label), round(event.score, 6)))
    return to_table(COLUMNS, rows, delimiter="\t", raw=True)


def from_raven(text: str, unstated: Modality = Modality.AUDIO) -> Timeline:
    r"""Read a selection table; a selection that stands there in two views counts once.

    Args:
        text: the content of the file.
        unstated: how the events are perceived; tables of Raven do not say it.

    Raises:
        UserError: if a column is missing or a selection is no event; names the line.

    Example:
        >>> columns = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tAnnotation"
        >>> from_raven(f"{columns}\n1\tWaveform 1\t1\t1.5\t4\tDog\n").events[0].end
        4.0
    """
    columns, lines = table_of(text, "\t", ("Selection", BEGIN, END))
    if LABEL not in columns:
        raise UserError(
            f"line 1: expected a column `{LABEL}` with the label of each selection; in Raven, add "
            f"it by Choose Measurements and Annotations, or rename yours in the file"
        )
    rows = {
        line.cells["Selection"]: Row(
            where=f"line {line.number}",
            start=line.cells[BEGIN],
            end=line.cells[END],
            label=line.cells[LABEL],
            modality=unstated,
            score=line.cells.get("Score", ""),
        )
        for line in lines
    }
    return to_timeline([row.to_event() for row in rows.values()])


register(
    Format(
        name="selections.txt",
        description="a table of selections: what is heard",
        programs="Raven Pro, Raven Lite, crowsetta",
        write=to_raven,
        read=from_raven,
        states_modality=False,
        kept="the events that are heard",
        markers_for=("raven",),
        media_type="text/tab-separated-values",
    )
)

"""No cell of a table is run by a spreadsheet, and our readers give back what was written."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.formats.tables import escaped, from_csv, from_tsv, to_csv, to_tsv, unescaped

FORMULAS = ["=1+1", "+A1", "-4NLarMj4xU", "@SUM(A1)", "=cmd|' /C calc'!A0", "＝1", "-", "'=1"]


def timeline_of(label, source="clip.mp4"):
    event = Event(1.0, 2.0, label, Modality.AUDIO, 0.5)
    return Timeline(events=(event,), labels=(label,), source=source)


@pytest.mark.parametrize("label", FORMULAS)
@pytest.mark.parametrize(("write", "read"), [(to_csv, from_csv), (to_tsv, from_tsv)])
def test_a_formula_is_escaped_and_read_back(label, write, read):
    timeline = timeline_of(label, source=f"{label.replace('/', '')}.mp4")
    text = write(timeline)
    for cell in list(csv.reader(io.StringIO(text), delimiter="\t" if write is to_tsv else ","))[1]:
        assert cell[0] not in "=+-@＝" or float(cell) is not None
    assert read(text).events == timeline.events
    if write is to_tsv:
        assert read(text).source == timeline.source
    raw = write(timeline, raw=True)
    assert label in next(
        csv.reader(io.StringIO(raw.splitlines()[1]), delimiter="\t,"[write is to_csv])
    )


@pytest.mark.parametrize("number", ["-4", "+4.5", "-1e-3", "-.5", -0.5, 3])
def test_a_number_stays_a_number(number):
    assert escaped(number) == number


@pytest.mark.slow
@given(st.text())
def test_every_cell_is_read_back(cell):
    assert unescaped(escaped(cell)) == cell

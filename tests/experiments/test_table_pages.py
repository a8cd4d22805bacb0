"""From reports to pages: means over seeds, footnotes, and the three formats read back."""

import csv
import io

import pytest

from mmpyramid.experiments.page import WRITERS, Cell, summarize
from mmpyramid.experiments.tables import Column, Row, Table

COLUMNS = tuple(
    Column(heading=f"{name} Seg", path=("segment", key))
    for name, key in {"Audio": "a", "Visual": "v", "AV": "av", "Type@AV": "type"}.items()
)
ROWS = (
    Row(name="Ours & more", recipes={"": "llp"}, printed=(10.0, 20.0, 30.0, 25.0), notes=("new",)),
    Row(name="Deaf", recipes={"": "x"}, printed=(None, 5.0, None, None), only=("Visual Seg",)),
    Row(name="Rebuilt", source="reconstruction", recipes={"": "y"}, printed=(None,) * 4),
    Row(name="Never run", printed=(1.0, 2.0, 3.0, 2.0)),
)
TABLE = Table(
    key="9", title="Table 9", caption="c", recipe="llp", columns=COLUMNS, rows=ROWS, notes=("50 %",)
)


def report(shift):
    return {"segment": {"a": 1 + shift, "v": 2 + shift, "av": 3 + shift, "type": 4 + shift}}


@pytest.fixture
def page():
    reports = {("ours-more", ""): [report(0), report(2)], ("deaf", ""): [report(0)]}
    reports["rebuilt", ""] = [report(5)]
    return summarize(TABLE, reports, {"nothing": report(-1)}, title="Table 9", notes=["two seeds"])


def test_cells_are_means_with_the_sample_deviation(page):
    ours, deaf, _, never, nothing = page.lines
    assert [cell.mean for cell in ours.cells] == [2, 3, 4, 5]
    assert ours.cells[0].deviation == pytest.approx(2**0.5)
    assert [cell.mean for cell in deaf.cells] == [None, 2, None, None]
    assert deaf.cells[1].deviation is None
    assert not any(cell.values for cell in never.cells)
    assert (nothing.source, nothing.cells[0].mean) == ("reference", 0)


def test_footnotes_tell_notes_and_inconsistencies_once(page):
    assert page.footnotes[0] == "new"
    assert "prints Type@AV Seg 25.0" in page.footnotes[1]
    assert [line.footnotes for line in page.lines] == [(1, 2), (), (), (), ()]


def test_rounding_is_no_inconsistency():
    close = Row(name="close", printed=(10.0, 20.0, 30.1, 20.1))
    table = Table(
        key="9", title="Table 9", caption="", recipe="llp", columns=COLUMNS, rows=(close,)
    )
    assert list(table.inconsistencies()) == []


def test_markdown(page):
    lines = WRITERS["md"](page).splitlines()
    assert lines[0] == "# Table 9"
    assert (
        "| Ours & more[^1][^2] | ours | 2.00 ± 1.41 | 3.00 ± 1.41 | 4.00 ± 1.41 | 5.00 ± 1.41 |"
        in lines
    )
    assert "|  | paper | 10.0 | 20.0 | 30.0 | 25.0 |" in lines
    assert "| Never run | paper | 1.0 | 2.0 | 3.0 | 2.0 |" in lines
    assert "| Rebuilt | reconstruction | 6.00 | 7.00 | 8.00 | 9.00 |" in lines
    assert "- two seeds" in lines
    assert "[^1]: new" in lines
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert widths == {len(COLUMNS) + 3}


def test_csv_is_read_back(page):
    rows = list(csv.DictReader(io.StringIO(WRITERS["csv"](page))))
    ours = [row for row in rows if row["system"] == "Ours & more"]
    assert [float(row["mean"]) for row in ours] == [2, 3, 4, 5]
    assert {row["table"] for row in rows} == {"Table 9"}
    never = [row for row in rows if row["system"] == "Never run"]
    assert [(row["mean"], row["seeds"]) for row in never] == [("", "0")] * 4
    assert [float(row["paper"]) for row in never] == [1, 2, 3, 2]


def test_latex_escapes_and_balances(page):
    text = WRITERS["tex"](page)
    assert r"Ours \& more\textsuperscript{1,2} & ours & 2.00 $\pm$ 1.41" in text
    assert r"50 \%" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert {line.count(" & ") for line in body} == {len(COLUMNS) + 1}


def test_a_cell_of_nothing_is_empty():
    assert (Cell().ours(), Cell().paper()) == ("", "")

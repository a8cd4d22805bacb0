"""A table as a page: ours over all seeds beside the printed numbers, as Markdown, CSV and LaTeX."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mmpyramid.experiments.tables import Row, Table
from mmpyramid.formats.tables import to_table

CSV_COLUMNS = ("table", "system", "source", "column", "mean", "deviation", "seeds", "paper")

Reports: TypeAlias = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""The reports of all seeds by (slug of the row, setting)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One number over seeds.

    Attributes:
        values: per cent, one per seed; empty if nothing was run.
        printed: the paper's number, if it has one.
    """

    values: tuple[float, ...] = ()
    printed: float | None = None

    @property
    def mean(self) -> float | None:
        """Mean over seeds."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over seeds; None for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def ours(self) -> str:
        """The mean, and the deviation where there is one, as text.

        Example:
            >>> Cell(values=(50.0, 52.0)).ours(), Cell(values=(50.0,)).ours(), Cell().ours()
            ('51.00 ± 1.41', '50.00', '')
        """
        if self.mean is None:
            return ""
        spread = "" if self.deviation is None else f" ± {self.deviation:.2f}"
        return f"{self.mean:.2f}{spread}"

    def paper(self) -> str:
        """The printed number as printed."""
        return "" if self.printed is None else f"{self.printed:.1f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One system.

    Attributes:
        name: as printed.
        source: where its numbers come from: `ours` or a reconstruction was run, `reference` needs
            no network.
        cells: one per column.
        footnotes: their numbers.
    """

    name: str
    source: str = "ours"
    cells: tuple[Cell, ...]
    footnotes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A table, ready to be written.

    Attributes:
        title: what it shows and on what data; says so if the data is simulated.
        headings: of the columns.
        lines: the systems, then what needs no network.
        footnotes: what to know about some lines; number 1 is the first.
        notes: what to know about the whole.
    """

    title: str
    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def summarize(
    table: Table,
    reports: Reports,
    references: Mapping[str, Mapping[str, Any]],
    *,
    title: str,
    notes: Sequence[str] = (),
) -> Page:
    """Put ours and the printed numbers side by side.

    Args:
        table: which one.
        reports: what was run.
        references: reports of answers that need no network, by name.
        title: of the page.
        notes: about this run, before the table's own.
    """
    footnotes: list[str] = []
    inconsistent: dict[str, list[str]] = {}
    for row, text in table.inconsistencies():
        inconsistent.setdefault(row.slug, []).append(text)
    lines = []
    for row in table.rows:
        numbers = []
        for text in (*row.notes, *inconsistent.get(row.slug, ())):
            if text not in footnotes:
                footnotes.append(text)
            numbers.append(footnotes.index(text) + 1)
        cells = _cells(table, row, reports)
        line = Line(name=row.name, source=row.source, cells=cells, footnotes=tuple(numbers))
        lines.append(line)
    for name, report in references.items():
        values = (column.read(report, "argmax") for column in table.columns)
        cells = tuple(Cell(values=() if value is None else (value,)) for value in values)
        lines.append(Line(name=name, source="reference", cells=cells))
    return Page(
        title=title,
        headings=tuple(column.heading for column in table.columns),
        lines=tuple(lines),
        footnotes=tuple(footnotes),
        notes=(*notes, *table.notes),
    )


def _cells(table: Table, row: Row, reports: Reports) -> tuple[Cell, ...]:
    cells = []
    for column, printed in zip(table.columns, row.printed, strict=True):
        of_setting = reports.get((row.slug, column.setting), ())
        values = [column.read(report, row.rule) for report in of_setting]
        known = [value for value in values if value is not None]
        if row.only and column.heading not in row.only:
            known = []
        if column.once:
            known = known[:1]
        cells.append(Cell(values=tuple(known), printed=printed))
    return tuple(cells)


_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"±": "$\\pm$", "~": "\\textasciitilde{}"}
)


def to_markdown(page: Page) -> str:
    """A line for ours and one for the paper's numbers under each system."""
    head = ["System", "", *page.headings]
    rows = [head, ["---", "---", *("---:" for _ in page.headings)]]
    for line in page.lines:
        marks = "".join(f"[^{number}]" for number in line.footnotes)
        ours = [cell.ours() for cell in line.cells]
        paper = [cell.paper() for cell in line.cells]
        if any(ours):
            rows.append([line.name + marks, line.source, *ours])
        if any(paper):
            rows.append(["" if any(ours) else line.name + marks, "paper", *paper])
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    notes = "".join(f"- {note}\n" for note in page.notes)
    footnotes = "".join(f"[^{n}]: {text}\n" for n, text in enumerate(page.footnotes, start=1))
    parts = (f"# {page.title}", body, notes.strip(), footnotes.strip())
    return "\n\n".join(part for part in parts if part) + "\n"


def to_csv(page: Page) -> str:
    """One row per system and column; the first column repeats what the table is of."""
    rows = []
    for line in page.lines:
        for heading, cell in zip(page.headings, line.cells, strict=True):
            if cell.values or cell.printed is not None:
                numbers = (cell.mean, cell.deviation, len(cell.values), cell.printed)
                known = ("" if number is None else number for number in numbers)
                rows.append((page.title, line.name, line.source, heading, *known))
    return to_table(CSV_COLUMNS, rows)


def to_latex(page: Page) -> str:
    """A `tabular` for the package booktabs, with its notes below."""

    def row(name: str, source: str, cells: list[str]) -> str:
        return " & ".join((name, source, *map(_escape, cells))) + r" \\"

    def rows(line: Line) -> list[str]:
        marks = ",".join(map(str, line.footnotes))
        name = _escape(line.name) + (f"\\textsuperscript{{{marks}}}" if marks else "")
        ours = [cell.ours() for cell in line.cells]
        paper = [cell.paper() for cell in line.cells]
        found = [row(name, line.source, ours)] if any(ours) else []
        if any(paper):
            found.append(row("" if found else name, "paper", paper))
        return found

    footnotes = enumerate(map(_escape, page.footnotes), start=1)
    notes = [
        *map(_escape, page.notes),
        *(rf"\textsuperscript{{{number}}} {text}" for number, text in footnotes),
    ]
    lines = [
        f"% {page.title}",
        r"\begin{table}",
        rf"\caption{{{_escape(page.title)}}}",
        r"\begin{tabular}{ll" + "r" * len(page.headings) + "}",
        r"\toprule",
        row("System", "", list(page.headings)),
        r"\midrule",
        *(text for line in page.lines for text in rows(line)),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {text}" for text in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.translate(_LATEX)


WRITERS: dict[str, Callable[[Page], str]] = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
"""Suffix to writer."""

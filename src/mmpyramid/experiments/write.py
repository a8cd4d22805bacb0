"""A page as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from mmpyramid.experiments.summary import Line, Page

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
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "system", "source", "column", "mean", "deviation", "seeds", "paper"])
    for line in page.lines:
        for heading, cell in zip(page.headings, line.cells, strict=True):
            if cell.values or cell.printed is not None:
                numbers = (cell.mean, cell.deviation, len(cell.values), cell.printed)
                known = ("" if number is None else number for number in numbers)
                writer.writerow([page.title, line.name, line.source, heading, *known])
    return out.getvalue()


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

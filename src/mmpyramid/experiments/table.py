"""What a table of the paper is: rows with recipes and printed numbers, columns of a report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmpyramid.core.errors import UserError

RULE = "rule"
DEFAULT = ""
"""Name of the one setting of tables whose rows are trained in one way only."""


ROUNDING = 0.1 + 1e-9
"""How far a printed mean of three printed numbers can be off by rounding to one decimal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of numbers.

    Attributes:
        heading: as printed.
        path: where the number is in a report's `to_dict`; `RULE` stands for the row's rule.
        setting: which of a row's recipes gives the report.
    """

    heading: str
    path: tuple[str, ...]
    setting: str = DEFAULT

    def read(self, report: Mapping[str, Any], rule: str) -> float | None:
        """The number of a report; None where the report has none."""
        value: Any = report
        for key in self.path:
            if value is None:
                return None
            value = value[rule if key == RULE else key]
        return None if value is None else float(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One system.

    Attributes:
        name: as printed.
        recipes: recipe by setting; empty where only the printed numbers are known.
        printed: the paper's numbers, one per column, None where it has none.
        refine: whether the recipe is run by the three steps of MA.
        rule: which accuracy rule the system's authors use, in localization.
        only: headings of the columns that mean something for this system; empty means all.
        notes: what a reader of this row should know.
    """

    name: str
    recipes: Mapping[str, str] = field(default_factory=dict)
    printed: tuple[float | None, ...]
    refine: bool = False
    rule: str = "two_head"
    only: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The name as it is given to `--rows` and to folders.

        Example:
            >>> Row(name="MM-Pyramid w/o conv", printed=()).slug
            'mm-pyramid-w-o-conv'
        """
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of the paper.

    Attributes:
        number: as printed.
        caption: what it shows.
        recipe: a recipe that reads the data that the table is about.
        columns: the numbers.
        rows: the systems, in their printed order.
        notes: what a reader of the whole table should know.
    """

    number: int
    caption: str
    recipe: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def choose(self, slugs: tuple[str, ...]) -> tuple[Row, ...]:
        """The rows of these slugs, in the table's order; all that have a recipe for none.

        Raises:
            UserError: if a slug names no row, or one without a recipe.
        """
        runnable = {row.slug: row for row in self.rows if row.recipes}
        unknown = [slug for slug in slugs if slug not in runnable]
        if unknown:
            raise UserError(
                f"table {self.number} has no row to run called {', '.join(unknown)}; it has "
                f"{', '.join(runnable)}"
            )
        return tuple(row for slug, row in runnable.items() if not slugs or slug in slugs)

    def inconsistencies(self) -> Iterator[tuple[Row, str]]:
        """Rows whose printed Type@AV is not the mean of what it is defined as the mean of."""
        for level in ("Seg", "Eve"):
            headings = [f"{name} {level}" for name in ("Audio", "Visual", "AV", "Type@AV")]
            where = {column.heading: index for index, column in enumerate(self.columns)}
            if not where.keys() >= set(headings):
                continue
            for row in self.rows:
                *parts, printed = (row.printed[where[heading]] for heading in headings)
                known = [part for part in parts if part is not None]
                if printed is None or len(known) != len(parts):
                    continue
                mean = sum(known) / len(known)
                if abs(mean - printed) > ROUNDING:
                    yield (
                        row,
                        (
                            f"the paper prints {headings[-1]} {printed:.1f}, but the mean of its "
                            f"Audio, Visual and AV is {mean:.1f}, which rounding cannot explain"
                        ),
                    )

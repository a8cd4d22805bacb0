"""Runs of `mmpyramid tables`, and the pages that they write."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_only
from rich.markdown import Markdown

from mmpyramid.cli._options import console, simulated
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.experiments import TABLES, WRITERS, jobs, run_job, summarize
from mmpyramid.experiments.measured import annotated_by_length
from mmpyramid.experiments.page import to_markdown
from mmpyramid.experiments.run import (
    Overrides,
    check_same_data,
    collect_reports,
    finished,
    measure_costs,
)
from mmpyramid.experiments.tables import Row, Table
from mmpyramid.problems import problem_named
from mmpyramid.training.recipes import RECIPES

SIMULATED = (
    "the features are simulated, so ours and the paper's numbers are of different data and cannot "
    "be compared; only differences between our own rows mean something"
)
"""Stands on every page that was made on simulated features."""


def list_rows(name: str, *, subset: bool) -> int:
    """Print the names of the rows of a table, with their recipes."""
    console().print("\n".join(_row(row) for row in _table(name, subset=subset).rows))
    return 0


def run_tables(
    name: str,
    data: Path,
    out: Path,
    *,
    features: Path | None,
    seeds: tuple[int, ...],
    rows: tuple[str, ...],
    subset: bool,
    overrides: Overrides,
) -> int:
    """Train and score what a table needs, and write its page; the arguments are those of `tables`.

    Raises:
        UserError: if there are no seeds, or a row is unknown.
    """
    table = _table(name, subset=subset)
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds should be one or more different numbers, got {seeds}")
    chosen = table.choose(rows)
    planned = list(jobs(chosen, seeds, overrides, out))
    check_same_data(out, table.recipe, data, features)
    cost = measure_costs(table, overrides, out, data, features)
    for position, job in enumerate(planned, start=1):
        if finished(job) is None:
            setting = f", {job.setting}" if job.setting else ""
            what = f"{job.row.name}{setting}, seed {job.seed}"
            _report(f"{position}/{len(planned)}: {what}\n")
            run_job(job, data, features)
            _write_page(table, overrides, cost, out, data, features)
    page = _write_page(table, overrides, cost, out, data, features)
    if page is not None:
        screen = console()
        screen.print(Markdown(page) if screen.is_terminal else page)
    return 0


def _table(name: str, *, subset: bool) -> Table:
    return TABLES[name].on_subset() if subset else TABLES[name]


@rank_zero_only
def _report(text: str) -> None:
    sys.stderr.write(text)


@rank_zero_only
def _write_page(
    table: Table,
    overrides: Overrides,
    cost: Mapping[str, Mapping[str, float]],
    out: Path,
    data: Path,
    features: Path | None,
) -> str:
    """Write the page of everything that is finished, in all formats; return it as Markdown.

    Processes other than the first write nothing and return None.
    """
    config = RECIPES[table.recipe]()
    problem, streams = problem_named(config.objective.problem), config.model.inputs
    test = open_dataset(data, "test", streams, problem=problem.name, features=features)
    references = problem.references(test)
    changed = ", ".join(f"{name} {value}" for name, value in overrides.items())
    kind = simulated(data, features)
    reports = {
        (slug, setting): [report | {"cost": cost.get(slug)} for report in seeds]
        for (slug, setting), seeds in collect_reports(table, overrides, out).items()
    }
    page = summarize(
        table,
        reports,
        {name: report.to_dict() for name, report in references.items()},
        title=f"{table.title}, {kind}test split: {table.caption}",
        notes=[
            "ours: mean and sample standard deviation over the seeds that were run, per cent",
            *([f"changed in every recipe: {changed}"] if changed else []),
            *([SIMULATED] if kind else []),
            *([_numbers_of_events(test)] if table.is_by_length else []),
        ],
    )
    for suffix, writer in WRITERS.items():
        write_durably(out / f"table-{table.key}.{suffix}", writer(page).encode())
    return to_markdown(page)


def _numbers_of_events(test: Dataset) -> str:
    numbers = annotated_by_length(test).items()
    return "annotated events: " + ", ".join(f"{number} of {name}" for name, number in numbers)


def _row(row: Row) -> str:
    recipes = ", ".join(row.recipes.values()) or "no recipe"
    return f"{row.slug:<26}  {recipes}"

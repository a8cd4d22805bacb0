"""`mmpyramid tables`: run a table of the paper again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.markdown import Markdown

from mmpyramid.cli._options import OptionalPath, console, run, simulated
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.datasets import open_dataset
from mmpyramid.experiments import TABLES, WRITERS, Changes, jobs, run_job, summarize
from mmpyramid.experiments.run import claim, finished, gather
from mmpyramid.experiments.table import Row, Table
from mmpyramid.experiments.write import to_markdown
from mmpyramid.problems import problem_named
from mmpyramid.training.recipes import RECIPES

SIMULATED = (
    "the features are simulated, so ours and the paper's numbers are of different data and cannot "
    "be compared; only differences between our own rows mean something"
)
"""Stands on every page that was made on simulated features."""


def main(words: list[str]) -> int:
    """Run the command."""
    return run(tables, "tables", words)


def tables(
    number: Annotated[Literal[1, 2, 3, 4], tyro.conf.Positional],
    /,
    *,
    data: Path,
    out: Path = Path("tables"),
    features: OptionalPath = None,
    seeds: tuple[int, ...] = (1, 2, 3),
    rows: Annotated[
        tuple[str, ...], tyro.conf.arg(help_behavior_hint="(default: all that have a recipe)")
    ] = (),
    list_rows: bool = False,
    changes: Annotated[Changes, tyro.conf.arg(name="")] = Changes(),  # noqa: B008 - never changed
) -> int:
    """Train and score what a table of the paper needs, and write ours beside the printed numbers.

    Goes on where it stopped: a row and seed that is finished is not run again, one that was cut off
    goes on after its last epoch. More seeds and rows may be added later. Writes the page as
    Markdown, CSV and LaTeX after every run, so that it can be read while the rest is running.

    Example: mmpyramid tables 3 --data LLP --out tables --seeds 1 2 3

    Args:
        number: 1 (AVE), 2 (LLP), 3 (ablations on LLP) or 4 (shared parameters).
        data: Corpus folder in the layout of AVE (table 1) or LLP.
        out: Folder for runs and pages.
        features: Where the features are, if not in the corpus folder.
        seeds: One run of each row for each of these.
        rows: Some rows only, as `--list-rows` names them.
        list_rows: Print the rows' names and recipes, and stop.
        changes: Changes of every recipe.
    """
    table = TABLES[number]
    screen = console()
    if list_rows:
        screen.print("\n".join(_row(row) for row in table.rows))
        return 0
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds should be one or more different numbers, got {seeds}")
    chosen = table.choose(rows)
    planned = list(jobs(chosen, seeds, changes, out))
    claim(out, table.recipe, data, features)
    references = _references(table, data, features)
    write = partial(_write, table, changes, out, references, simulated(data, features))
    for position, job in enumerate(planned, start=1):
        if finished(job) is None:
            setting = f", {job.setting}" if job.setting else ""
            name = f"{job.row.name}{setting}, seed {job.seed}"
            sys.stderr.write(f"{position}/{len(planned)}: {name}\n")
            run_job(job, data, features)
            write()
    page = write()
    screen.print(Markdown(page) if screen.is_terminal else page)
    return 0


def _references(table: Table, data: Path, features: Path | None) -> dict[str, dict[str, Any]]:
    """What needs no network, on the test split."""
    config = RECIPES[table.recipe]()
    problem = problem_named(config.objective.problem)
    streams = config.model.inputs
    corpus = open_dataset(data, "test", streams, problem=problem.name, features=features)
    return {name: report.to_dict() for name, report in problem.references(corpus).items()}


def _write(
    table: Table,
    changes: Changes,
    out: Path,
    references: Mapping[str, Mapping[str, Any]],
    kind: str,
) -> str:
    """Write the page of everything that is finished, in all formats; give it as Markdown."""
    changed = changes.describe()
    page = summarize(
        table,
        gather(table, changes, out),
        references,
        title=f"Table {table.number}, {kind}test split: {table.caption}",
        notes=[
            "ours: mean and sample standard deviation over the seeds that were run, per cent",
            *([f"changed in every recipe: {changed}"] if changed else []),
            *([SIMULATED] if kind else []),
        ],
    )
    for suffix, writer in WRITERS.items():
        write_durably(out / f"table-{table.number}.{suffix}", writer(page).encode())
    return to_markdown(page)


def _row(row: Row) -> str:
    recipes = ", ".join(row.recipes.values()) or "no recipe"
    return f"{row.slug:<26}  {recipes}"

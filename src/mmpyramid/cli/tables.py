"""`mmpyramid tables`: run a table of the paper again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

import tyro
from docstring_parser import parse_from_object
from pytorch_lightning.utilities import rank_zero_only
from rich.markdown import Markdown

from mmpyramid.cli._options import OptionalPath, console, simulated
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.datasets import open_dataset
from mmpyramid.experiments import TABLES, WRITERS, jobs, run_job, summarize
from mmpyramid.experiments.page import to_markdown
from mmpyramid.experiments.printed import Row, Table
from mmpyramid.experiments.run import (
    Overrides,
    check_same_data,
    collect_reports,
    finished,
    measure_costs,
)
from mmpyramid.problems import problem_named
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import RECIPES

SIMULATED = (
    "the features are simulated, so ours and the paper's numbers are of different data and cannot "
    "be compared; only differences between our own rows mean something"
)
"""Stands on every page that was made on simulated features."""

OF_A_ROW = {"model", "objective", "schedule", "seed"}
"""Fields of a recipe that make the row what it is, or that the table sets."""


NONE: Overrides = {}


def _flags() -> Any:
    """The flags that override a field of every recipe, with the types and the help of the fields.

    Only those that are given are in the result.
    """
    hints = get_type_hints(TrainConfig, include_extras=True)
    helps = {
        field.arg_name: " ".join((field.description or "").split())
        for field in parse_from_object(TrainConfig).params
    }
    types = {"width": int} | {name: hints[name] for name in hints if name not in OF_A_ROW}
    helps["width"] = "Width of every network."
    hint = "(default: as in the recipe)"
    return TypedDict(  # type: ignore[operator]
        "Overrides",
        {
            name: Annotated[kind, tyro.conf.arg(help=helps[name], help_behavior_hint=hint)]
            for name, kind in types.items()
        },
        total=False,
    )


def tables(  # noqa: PLR0913 - one for each flag
    name: Annotated[
        Literal["1", "2", "3", "4", "ablation", "plugin-llp", "plugin-ave"], tyro.conf.Positional
    ],
    /,
    *,
    data: Path,
    out: Path = Path("tables"),
    features: OptionalPath = None,
    seeds: tuple[int, ...] = (1, 2, 3),
    rows: Annotated[
        tuple[str, ...], tyro.conf.arg(help_behavior_hint="(default: all that have a recipe)")
    ] = (),
    subset: bool = False,
    list_rows: bool = False,
    overrides: Annotated[Overrides, tyro.conf.arg(name="", constructor=_flags())] = {},  # noqa: B006
) -> int:
    """Train and score what a table needs, and write ours beside the paper's numbers.

    Goes on where it stopped: a row and seed that is finished is not run again, one that was cut off
    goes on after its last epoch. More seeds and rows may be added later. Writes the page as
    Markdown, CSV and LaTeX after every run, so that it can be read while the rest is running.

    Example: mmpyramid tables 3 --data LLP --out tables --seeds 1 2 3

    Args:
        name: Of the paper: 1 (AVE), 2 (LLP), 3 (ablations on LLP) or 4 (shared parameters). Ours:
            ablation (sizes and parts of the pyramid, with what they cost), plugin-llp and
            plugin-ave (the pyramid in front of other networks, by length of event).
        data: Corpus folder in the layout of AVE (tables 1 and plugin-ave) or LLP.
        out: Folder for runs and pages.
        features: Where the features are, if not in the corpus folder.
        seeds: One run of each row for each of these.
        rows: Some rows only, as `--list-rows` names them.
        subset: Table 1: the clips whose event is shorter than they are, and the systems that the
            paper scores on them.
        list_rows: Print the rows' names and recipes, and stop.
        overrides: Fields of every recipe; the page says so.
    """
    table = TABLES[name].on_subset() if subset else TABLES[name]
    screen = console()
    if list_rows:
        screen.print("\n".join(_row(row) for row in table.rows))
        return 0
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
        screen.print(Markdown(page) if screen.is_terminal else page)
    return 0


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
        ],
    )
    for suffix, writer in WRITERS.items():
        write_durably(out / f"table-{table.key}.{suffix}", writer(page).encode())
    return to_markdown(page)


def _row(row: Row) -> str:
    recipes = ", ".join(row.recipes.values()) or "no recipe"
    return f"{row.slug:<26}  {recipes}"

"""Train what a table needs, row by row and seed by seed; what is finished is not run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from pytorch_lightning.utilities import rank_zero_only

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_json
from mmpyramid.core.text import read_json, whole_number
from mmpyramid.datasets import SPLITS, open_dataset
from mmpyramid.experiments.measured import costs, found_by_length
from mmpyramid.experiments.tables import DEFAULT, FOUND, Row, Table
from mmpyramid.problems import problem_named
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.modality_aware import fit_modality_aware
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.recipes.mm_pyramid import ABLATIONS
from mmpyramid.training.run import Run, fit, identify, is_first_process, wait_for_all_processes

Report: TypeAlias = dict[str, Any]
Overrides: TypeAlias = Mapping[str, Any]
"""Values that replace those of every recipe of a table, by the name of the field."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network to train and score.

    Attributes:
        row: the system.
        setting: which of its recipes.
        seed: of the run.
        config: the whole run.
        folder: where its files go; `test.json` is there once it is finished.
    """

    row: Row
    setting: str
    seed: int
    config: TrainConfig
    folder: Path

    @property
    def result(self) -> Path:
        """The report, with the configuration that it is of."""
        return self.folder / "test.json"


@rank_zero_only
def check_same_data(out: Path, recipe: str, data: Path, features: Path | None = None) -> None:
    """Record the corpus of the tables in a folder, and refuse another one.

    Args:
        out: the folder.
        recipe: one that reads such a corpus.
        data: corpus folder.
        features: where the features are, if not in the corpus folder.

    Raises:
        UserError: if there are runs of another corpus, or this one cannot be used.
    """
    config = RECIPES[recipe]()
    streams, problem = config.model.inputs, config.objective.problem
    found = identify(
        {
            split: open_dataset(data, split, streams, problem=problem, features=features)
            for split in SPLITS
        }
    )
    path = out / f"data-{problem}.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, found)
    elif read_json(path, dict[str, str], "the digests of a corpus") != found:
        raise UserError(
            f"the runs in {out} are of other annotations or features than those of {data}; choose "
            "another --out"
        )


def override(config: TrainConfig, overrides: Overrides) -> TrainConfig:
    """A configuration with some fields replaced; the given one stays as it is.

    Args:
        config: of a recipe.
        overrides: fields of `TrainConfig` and the `width` of the network.

    Raises:
        UserError: if a value makes no sense for the network or the run.

    Example:
        >>> config = override(RECIPES["llp"](), {"width": 32, "epochs": 3})
        >>> config.model.width, config.epochs
        (32, 3)
    """
    fields = dict(overrides)
    model = config.model
    if "width" in fields:
        model = replace(model, width=fields.pop("width"))
    return replace(config, model=model, **fields)


def recipe_named(name: str) -> TrainConfig:
    """The configuration of a recipe, or of an ablation."""
    return RECIPES[name]() if name in RECIPES else ABLATIONS[name]()


def run_config(row: Row, recipe: str, overrides: Overrides) -> TrainConfig:
    """The configuration that a row is run with.

    Raises:
        UserError: as `override`.
    """
    config = override(recipe_named(recipe), overrides)
    if row.relative_width != 1:
        width = round(row.relative_width * config.model.width)
        config = replace(config, model=replace(config.model, width=width))
    return config


def jobs(
    rows: Sequence[Row], seeds: Sequence[int], overrides: Overrides, out: Path
) -> Iterator[Job]:
    """Everything that some rows need, seed by seed, so that all rows have some result early."""
    for seed in seeds:
        for row in rows:
            for setting, recipe in row.recipes.items():
                config = run_config(row, recipe, {**overrides, "seed": seed})
                folder = _runs(out, row, recipe) / f"seed-{seed}"
                yield Job(row=row, setting=setting, seed=seed, config=config, folder=folder)


def _runs(out: Path, row: Row, recipe: str) -> Path:
    """Where the runs of a recipe are; tables that have a system in common share its runs."""
    name = f"{recipe}-refined" if row.refine else recipe
    if row.relative_width != 1:
        name += f"-width-{row.relative_width:g}"
    return out / "runs" / name


class Result(msgspec.Struct, frozen=True):
    """The `test.json` of a job."""

    config: dict[str, Any]
    report: dict[str, Any]


def finished(job: Job) -> Report | None:
    """The report of a job; None if it has not finished.

    Raises:
        UserError: if it was done with another configuration.
    """
    if not job.result.exists():
        return None
    result = read_json(job.result, Result, "the result of a run")
    if result.config != job.config.to_dict():
        raise UserError(
            f"{job.folder} holds a result of another configuration; run the table with the same "
            "options, or choose another --out"
        )
    return result.report


def collect_reports(
    table: Table, overrides: Overrides, out: Path
) -> dict[tuple[str, str], list[Report]]:
    """The reports of all seeds that were finished so far, by (slug of the row, setting).

    Raises:
        UserError: as `finished`.
    """
    reports: dict[tuple[str, str], list[Report]] = {}
    for row in table.rows:
        for setting, recipe in row.recipes.items():
            runs = _runs(out, row, recipe).glob("seed-*")
            seeds = (whole_number(run.name.removeprefix("seed-")) for run in runs)
            known = sorted(seed for seed in seeds if seed is not None)
            for job in jobs([row], known, overrides, out):
                if job.setting == setting and (report := finished(job)) is not None:
                    reports.setdefault((row.slug, setting), []).append(report)
    return reports


class Costs(msgspec.Struct, frozen=True):
    """What the networks of a table cost, and the configurations that were measured, by slug."""

    configs: dict[str, dict[str, Any]]
    costs: dict[str, dict[str, float]]


def measure_costs(
    table: Table, overrides: Overrides, out: Path, data: Path, features: Path | None = None
) -> dict[str, dict[str, float]]:
    """What the networks of a table cost, by slug; empty for a table that does not tell costs.

    They are measured once, by the first process, and again for other configurations.

    Raises:
        UserError: if the data cannot be used.
    """
    if not (table.reference and is_first_process()):
        return {}
    configs = {row.slug: run_config(row, row.recipes[DEFAULT], overrides) for row in table.rows}
    plain = {slug: config.to_dict() for slug, config in configs.items()}
    path = out / f"cost-{table.key}.json"
    if path.exists():
        known = read_json(path, Costs, "the costs of networks")
        if known.configs == plain:
            return known.costs
    config = configs[table.reference]
    train = open_dataset(
        data,
        "train",
        config.model.inputs,
        problem=config.objective.problem,
        features=features,
        supervision=config.objective.labels(),
    )
    found = {slug: asdict(cost) for slug, cost in costs(configs, table.reference, train).items()}
    write_json(path, {"configs": plain, "costs": found})
    return found


def run_job(job: Job, data: Path, features: Path | None = None) -> None:
    """Train or resume, and score on the test split; the report is in `job.result`.

    Raises:
        UserError: if the data cannot be used.
    """
    if job.row.refine:
        run = fit_modality_aware(
            job.config, data, job.folder, features=features, resume=True
        ).retrained
    else:
        run = fit(job.config, data, job.folder, features=features, resume=True)
    _score(job, run, data, features)
    wait_for_all_processes()


@rank_zero_only
def _score(job: Job, run: Run, data: Path, features: Path | None) -> None:
    """Write the report, on the first process of a run only, and delete what resuming needed."""
    network = run.load_network()
    problem = problem_named(network.problem)
    corpus = open_dataset(data, "test", network.inputs, problem=problem.name, features=features)
    report = problem.evaluate(network, corpus).to_dict()
    report[FOUND] = found_by_length(network, corpus)
    write_json(job.result, {"config": job.config.to_dict(), "report": report})
    for resumable in job.folder.rglob("last.ckpt"):  # Three times the size of the network.
        resumable.unlink()

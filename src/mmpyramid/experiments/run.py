"""Train what a table needs, row by row and seed by seed; what is finished is not run again."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.datasets import SPLITS, open_dataset
from mmpyramid.experiments.table import Row, Table
from mmpyramid.models import load_pretrained
from mmpyramid.problems import problem_named
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.identity import identify
from mmpyramid.training.precision import computing_device
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.refine import fit_modality_aware
from mmpyramid.training.run import fit

Report: TypeAlias = dict[str, Any]


@dataclass(kw_only=True, slots=True)
class Changes:
    """What is changed in every recipe of a table; None leaves it as the recipe has it.

    A reduced width or fewer epochs make a table on a laptop; the page then says so.
    """

    width: int | None = None
    """Width of every network."""
    epochs: int | None = None
    """Passes over the training videos."""
    batch_size: int | None = None
    """Videos per step."""
    learning_rate: float | None = None
    """Initial learning rate."""
    precision: str | None = None
    """Lightning's precision."""

    def apply(self, config: TrainConfig) -> TrainConfig:
        """The configuration with the changes; the given one stays.

        Raises:
            UserError: if a value makes no sense for the network or the run.
        """
        changed = copy.deepcopy(config)
        if self.width is not None:
            changed.model.width = self.width
        for name in ("epochs", "batch_size", "learning_rate", "precision"):
            value = getattr(self, name)
            if value is not None:
                setattr(changed, name, value)
        changed.model.__post_init__()
        changed.__post_init__()
        return changed

    def describe(self) -> str:
        """The changes on one line; empty if there are none."""
        named = ((name, getattr(self, name)) for name in self.__slots__)
        return ", ".join(f"{name} {value}" for name, value in named if value is not None)


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


def claim(out: Path, recipe: str, data: Path, features: Path | None = None) -> None:
    """Note which corpus the tables in a folder are of, and refuse another one.

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
        write_durably(path, (json.dumps(found, indent=2) + "\n").encode())
    elif json.loads(path.read_text(encoding="utf-8")) != found:
        raise UserError(
            f"the runs in {out} are of other annotations or features than those of {data}; choose "
            "another --out"
        )


def jobs(rows: Sequence[Row], seeds: Sequence[int], changes: Changes, out: Path) -> Iterator[Job]:
    """Everything that some rows need, seed by seed, so that all rows have some result early."""
    for seed in seeds:
        for row in rows:
            for setting, recipe in row.recipes.items():
                config = changes.apply(RECIPES[recipe]())
                config.seed = seed
                folder = _runs(out, row, recipe) / f"seed-{seed}"
                yield Job(row=row, setting=setting, seed=seed, config=config, folder=folder)


def _runs(out: Path, row: Row, recipe: str) -> Path:
    """Where the runs of a recipe are; tables that have a system in common share its runs."""
    return out / "runs" / (f"{recipe}-refined" if row.refine else recipe)


def finished(job: Job) -> Report | None:
    """The report of a job that was done before; None if it was not.

    Raises:
        UserError: if it was done with another configuration.
    """
    if not job.result.exists():
        return None
    held = json.loads(job.result.read_text(encoding="utf-8"))
    if held["config"] != _plain(job.config):
        raise UserError(
            f"{job.folder} holds a result of another configuration; run the table with the same "
            "options, or choose another --out"
        )
    report: Report = held["report"]
    return report


def gather(table: Table, changes: Changes, out: Path) -> dict[tuple[str, str], list[Report]]:
    """The reports of all seeds that were finished so far, by (slug of the row, setting).

    Raises:
        UserError: as `finished`.
    """
    held: dict[tuple[str, str], list[Report]] = {}
    for row in table.rows:
        for setting, recipe in row.recipes.items():
            runs = _runs(out, row, recipe).glob("seed-*")
            seeds = sorted(int(run.name.removeprefix("seed-")) for run in runs)
            for job in jobs([row], seeds, changes, out):
                if job.setting == setting and (report := finished(job)) is not None:
                    held.setdefault((row.slug, setting), []).append(report)
    return held


def run_job(job: Job, data: Path, features: Path | None = None) -> Report:
    """Train, or go on, and score on the test split.

    Raises:
        UserError: if the data cannot be used.
    """
    if (report := finished(job)) is not None:
        return report
    if job.row.refine:
        refined = fit_modality_aware(job.config, data, job.folder, features=features, resume=True)
        model = refined.retrained.model
    else:
        model = fit(job.config, data, job.folder, features=features, resume=True).model
    network = load_pretrained(model).to(computing_device(job.config.accelerator))
    problem = problem_named(network.problem)
    corpus = open_dataset(data, "test", network.inputs, problem=problem.name, features=features)
    scored: Report = problem.evaluate(network, corpus).to_dict()
    content = json.dumps({"config": _plain(job.config), "report": scored}, indent=2) + "\n"
    write_durably(job.result, content.encode())
    for resumable in job.folder.rglob("last.ckpt"):  # Three times the size of the network.
        resumable.unlink()
    return scored


def _plain(config: TrainConfig) -> Report:
    """The configuration as JSON gives it back."""
    plain: Report = json.loads(json.dumps(config.to_dict()))
    return plain

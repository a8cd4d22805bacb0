"""Tables are run for real, share their runs, and go on where they stopped."""

import contextlib
import io
import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import pytest
from pytorch_lightning.utilities import rank_zero_only

from mmpyramid.cli import main
from mmpyramid.experiments.run import _score, check_same_data, jobs, override
from mmpyramid.experiments.tables import TABLE_4
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import Run
from training import tiny_corpus

SMALL = ("--width", "16", "--epochs", "1", "--batch-size", "8", "--precision", "32-true")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"))


class Printed(NamedTuple):
    """What a command wrote."""

    out: str
    err: str


@pytest.fixture(scope="module")
def table(corpus, tmp_path_factory) -> tuple[Path, Printed]:
    """The folder of Table 4 with two seeds, and what running it printed."""
    folder = tmp_path_factory.mktemp("tables")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert run(corpus, folder, 4, "--seeds", "1", "2") == 0
    return folder, Printed(out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def out(table) -> Path:
    return table[0]


def run(corpus: Path, out: Path, number: int, *more: str) -> int:
    words = ("tables", str(number), "--data", str(corpus), "--out", str(out), *more)
    return main([*words, *SMALL])


@pytest.mark.slow
def test_a_table_is_written_and_what_is_finished_is_not_run_again(corpus, table, capsys):
    out, first = table
    assert first.err.count("seed") == 4
    assert "| Non-Sharing | ours |" in first.out
    assert "± " in first.out
    assert "simulated" not in first.out
    assert {path.name for path in out.glob("table-4.*")} == {
        f"table-4.{s}" for s in ("md", "csv", "tex")
    }
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("test.json")}
    assert len(stamps) == 4
    assert not list(out.rglob("last.ckpt"))
    assert run(corpus, out, 4, "--seeds", "1", "2") == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err == ""
    assert stamps == {path: path.stat().st_mtime_ns for path in out.rglob("test.json")}


def test_folders_of_somebody_else_beside_the_runs_are_left_alone(corpus, out):
    stray = next((out / "runs").iterdir()) / "seed-old"
    stray.mkdir()
    assert run(corpus, out, 4, "--seeds", "1", "2") == 0
    stray.rmdir()


def test_tables_share_runs_and_other_settings_are_refused(corpus, out, capsys):
    assert run(corpus, out, 3, "--seeds", "1", "--rows", "mm-pyramid-full") == 0
    shared = capsys.readouterr()
    assert shared.err == ""
    assert re.search(r"\| MM-Pyramid \(full\)\S* \| ours \|", shared.out)
    assert "MM-Pyramid-Last | paper" in shared.out
    assert (
        run(corpus, out, 3, "--seeds", "1", "--rows", "mm-pyramid-full", "--learning-rate", "1")
        == 2
    )
    assert "another configuration" in capsys.readouterr().err


def test_results_of_another_corpus_are_refused(corpus, out, tmp_path, capsys):
    other = tiny_corpus.make(tmp_path, num_val=9)
    assert run(other, out, 4, "--seeds", "1") == 2
    assert "of other annotations or features" in capsys.readouterr().err


@pytest.mark.slow
def test_a_row_of_ma_runs_its_three_steps(corpus, out, capsys):
    assert run(corpus, out, 2, "--seeds", "1", "--rows", "han-ma") == 0
    folder = out / "runs" / "han-ma-refined" / "seed-1"
    assert (folder / "refined_labels.tsv").exists()
    result = json.loads((folder / "test.json").read_text())
    assert result["config"]["model"]["gate"] == "per_modality"
    assert f"{result['report']['segment']['audio']:.2f}" in capsys.readouterr().out


def test_rows_are_listed_without_a_corpus(capsys):
    assert main(["tables", "3", "--list-rows"]) == 0
    assert "mm-pyramid-w-o-ula          llp-without-ula" in capsys.readouterr().out
    assert main(["tables", "3"]) == 2
    assert "name its folder: --data DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rows", "nobody"), "no row to run called nobody"),
        (("--seeds", "1", "1"), "different numbers"),
        (("--learning-rate", "-1"), "--learning-rate should be above 0"),
    ],
)
def test_mistakes_are_reported(corpus, tmp_path, words, message, capsys):
    assert run(corpus, tmp_path, 4, *words) == 2
    assert message in capsys.readouterr().err


def test_overrides_leave_the_recipe_alone():
    recipe = RECIPES["llp"]()
    changed = override(recipe, {"width": 32, "epochs": 3})
    assert (changed.model.width, changed.epochs) == (32, 3)
    assert recipe == RECIPES["llp"]()


def test_overrides_are_on_the_page(corpus, out, capsys):
    assert run(corpus, out, 4, "--seeds", "1") == 0
    changed = "changed in every recipe: width 16, epochs 1, batch_size 8, precision 32-true"
    assert changed in capsys.readouterr().out


def test_every_flag_of_a_run_is_a_flag_of_its_table(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["tables", "--help"])
    shown = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    own = {field.name for field in fields(TrainConfig)} - {"model", "objective", "schedule", "seed"}
    for name in ("width", *own):
        assert re.search(rf"--{name.replace('_', '-')}[ ,]", shown)
    assert "Passes over the training videos. (default: as in the recipe)" in shown


@pytest.mark.slow
def test_several_processes_run_one_table(corpus, tmp_path):
    words = ("tables", "2", "--data", str(corpus), "--out", str(tmp_path), *SMALL)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mmpyramid", *words, "--seeds", "1"),
            *("--rows", "han", "han-ma", "--devices", "2", "--accelerator", "cpu"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("# Table 2, test split") == 1
    assert [line for line in done.stderr.splitlines() if "seed 1" in line] == [
        "1/2: HAN, seed 1",
        "2/2: HAN+MA, seed 1",
    ]
    assert len(list(tmp_path.rglob("test.json"))) == 2
    assert not list(tmp_path.rglob("last.ckpt"))


def test_only_the_first_process_writes(corpus, out, tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    check_same_data(tmp_path, "llp", corpus)
    job = next(jobs(TABLE_4.rows, [1], {"width": 16}, tmp_path))
    folder = out / "runs" / "llp" / "seed-1"
    _score(replace(job, folder=tmp_path), Run(folder=folder), corpus, None)
    assert not list(tmp_path.iterdir())

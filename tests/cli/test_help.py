"""Every command explains itself."""

import itertools
import re
import subprocess
import sys

import pytest

from mmpyramid.cli.main import COMMANDS
from mmpyramid.render import FORMATS
from mmpyramid.training import TrainConfig
from mmpyramid.training.recipes import RECIPES
from mmpyramid.version import __version__

HEAVY = (
    "torch",
    "torchvision",
    "pytorch_lightning",
    "gradio",
    "ray",
    "matplotlib",
    "pandas",
    "h5py",
)
ALL_HELP = f"""
import contextlib, io, sys
from mmpyramid.cli.main import COMMANDS, main
for name in COMMANDS:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([name, "--help"])
    loaded = [module for module in {HEAVY} if module in sys.modules]
    assert not loaded, (name, loaded)
"""


def helped(name, run, capsys) -> str:
    """The help of a command, on one line; that of `train` is in two parts."""
    assert run(name, "--help") == 0
    if name == "train":
        assert run(name, "llp", "--help") == 0
    return re.sub(r"[\s│]+", " ", capsys.readouterr().out)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_whose_options_exist(name, run, capsys):
    assert run(name, "--help") == 0
    shown = capsys.readouterr().out
    (example,) = re.findall(rf"[Ee]xample:\s+(mmpyramid {name} .*)", shown)
    described = helped(name, run, capsys).replace(example, "")
    assert all(f"{option} " in described for option in re.findall(r"--[a-z-]+", example))


def test_help_leaves_docstrings_as_they_are(run):
    documented = TrainConfig.__doc__
    assert run("train", "llp", "--help") == 0
    assert TrainConfig.__doc__ == documented


@pytest.mark.slow
@pytest.mark.parametrize("args", [("parse",), ("extract",), ("train", "llp")])
def test_lines_of_the_source_do_not_break_those_of_the_help(args):
    """In a process of its own, for Tyro remembers the docstrings that an earlier command had."""
    command = [sys.executable, "-m", "mmpyramid", *args, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = shown.splitlines()
    texts = [re.match(r"[│ ] {7,}(?=[^ ])([^│]*[^ │])", line) for line in lines]
    width = max(text.end(1) for text in texts if text)
    early = [
        (one[1], following[1])
        for one, following in itertools.pairwise(texts)
        if one and following and one.end(1) + 1 + len(following[1].split()[0]) <= width
    ]
    assert early == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name, run, capsys):
    option = r"(--[a-z][a-z-]*) (?:[A-Z]+|\{[^}]*\}) "
    described = helped(name, run, capsys)
    assert re.search(option, described) or name == "info"
    assert "--no-no-" not in described
    bare = re.findall(option + r"\((?:default|required|optional)", described)
    assert bare == []


def test_the_overview_lists_every_command(run, capsys):
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)
    assert "exit codes: 0 done" in shown
    assert run() == 0
    assert "with videos:\n  mmpyramid parse clip.mp4" in capsys.readouterr().out
    assert run("--version") == 0
    assert __version__ in capsys.readouterr().out


def test_train_lists_its_recipes(run, capsys):
    assert run("train", "--help") == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in RECIPES)
    assert "[options]" in shown


@pytest.mark.parametrize("name", ["train", "refine"])
def test_a_recipe_without_a_description_is_listed(name, run, capsys, monkeypatch):
    monkeypatch.setitem(RECIPES, "mine", lambda: RECIPES["han"]())
    assert run(name, "--help") == 0
    assert "\n  mine " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["train", "refine"])
def test_a_recipe_is_shown_without_asking_the_others(name, run, capsys, monkeypatch):
    def other():
        raise AssertionError("its network takes seconds to import")

    monkeypatch.setitem(RECIPES, "other", other)
    assert run(name, "han-ma", "--help") == 0
    assert "--model.width" in capsys.readouterr().out


@pytest.mark.slow
def test_a_recipe_that_cannot_be_refined_is_refused_at_once(run, corpus, tmp_path, capsys):
    assert run("refine", "kong", "--data", corpus, "--out", tmp_path / "run") == 2
    assert "such as `han-ma`; VideoObjective does not" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_misspelt_command_is_guessed(run, capsys):
    assert run("prase", "clip.mp4") == 2
    assert "did you mean `parse`?" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["parse", "predict", "render"])
def test_every_format_is_listed(name, run, capsys):
    described = helped(name, run, capsys)
    assert all(re.search(rf"\b{re.escape(known)}\b", described) for known in FORMATS)


@pytest.mark.slow
def test_help_loads_nothing_heavy():
    subprocess.run([sys.executable, "-c", ALL_HELP], check=True)

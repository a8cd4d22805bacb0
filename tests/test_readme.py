"""What the README shows is run: its commands and their options; test_docs.py follows the links."""

import re
from pathlib import Path

import pytest
import torch

from mmpyramid.cli.main import COMMANDS, main
from mmpyramid.datasets.synthetic.rendered import render_corpus
from reference import released

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PUBLISHED = (ROOT / "docs" / "researcher.md").read_text().partition("## With the published")[2]
"""What `researcher.md` does with the same data."""
BRIEF = {
    "train": ["--epochs", "1", "--model.width", "32"],
    "refine": ["--epochs", "1", "--model.width", "32"],
}
"""What makes the shown trainings short."""

ELSEWHERE = {"serve": "runs until stopped"}
"""What is not run here, and why; it has tests of its own."""

COMMAND = re.compile(r"^\$ mmpyramid (\S+) *([^#\n]*)", re.MULTILINE)
SHOWN = COMMAND.findall(README) + COMMAND.findall(PUBLISHED.partition("\n## ")[0])


def test_the_first_screen_has_both_commands():
    assert README.index("make demo") < README.index("make test") < 1000


def test_there_are_commands_to_check():
    names = {"parse", "train", "evaluate", "score", "extract", "info", "refine", "convert", "store"}
    assert names <= {name for name, _ in SHOWN}


@pytest.mark.parametrize(("name", "words"), SHOWN)
def test_options_of_shown_commands_exist(name, words, capsys):
    assert name in COMMANDS
    recipe = words.split()[:1] if name in ("train", "refine") else []
    with pytest.raises(SystemExit) as stopped:
        main([name, *recipe, "--help"])
    assert stopped.value.code == 0
    help_text = capsys.readouterr().out
    for flag in re.findall(r"--[a-z-]+", words):
        assert flag in help_text


def lay_out(folder: Path) -> None:
    """The corpora, files and folders that the README's commands name, small and simulated."""
    few = ["--train", "12", "--val", "6", "--test", "6"]
    for layout in ("llp", "ave"):
        out = folder / layout.upper()
        assert main(["simulate", "--layout", layout, "--out", str(out), *few]) == 0
    render_corpus(folder / "corpus", num_train=4, num_val=2, num_test=2, workers=2)
    (folder / "videos").symlink_to(folder / "corpus" / "videos")
    (folder / "holiday.mp4").symlink_to(next((folder / "videos").iterdir()))
    torch.save(released.state_dict(), folder / "MM_Pyramid.pt")


@pytest.mark.slow
@pytest.mark.network
def test_the_commands_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, words in SHOWN:
        if any(part in f"{name} {words}" for part in ELSEWHERE):
            continue
        assert main([name, *words.split(), *BRIEF.get(name, [])]) == 0, (name, words)
        if (name, "--data LLP" in words) == ("evaluate", True):
            main([name, *words.split(), "--predictions", "predictions.npz"])
    assert "Mean of all" in (tmp_path / "pages" / "index.html").read_text()
    assert (tmp_path / "all" / "index.html").exists()
    assert "simulated" in capsys.readouterr().out

"""What the README shows is run: its Python, its commands' words, its links."""

import re
from pathlib import Path

import pytest
import torch

from mmpyramid.cli.main import COMMANDS, main
from mmpyramid.datasets.synthetic.rendered import render_corpus
from reference import released

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BLOCKS = re.findall(r"```python\n(.*?)```\n+```\n(.*?)```", README, re.DOTALL)
BRIEF = {
    "train": ["--epochs", "1", "--model.width", "32"],
    "refine": ["--epochs", "1", "--model.width", "32"],
    "tables": ["--epochs", "1", "--width", "16"],
}
"""What makes the shown trainings short."""

ELSEWHERE = {"serve": "runs until stopped", "--engine ray": "a cluster", "--set llp": "a model hub"}
"""What is not run here, and why; it has tests of its own."""

SHOWN = re.findall(r"^\$ mmpyramid (\S+) ([^#\n]*)", README, re.MULTILINE)


def test_the_first_screen_has_both_commands():
    assert README.index("make demo") < README.index("make test") < 1000


def test_the_network_example_prints_what_it_says(capsys):
    code, printed = BLOCKS[1]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed


@pytest.mark.network
def test_the_pipeline_example_prints_what_it_says(shared, tmp_path, monkeypatch, capsys):
    clip = shared / "clips" / "dev" / "6aV6c8mY0lg.mp4"
    (tmp_path / "clip.mp4").symlink_to(clip)
    monkeypatch.chdir(tmp_path)
    code, printed = BLOCKS[0]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_there_are_commands_to_check():
    assert {"parse", "train", "evaluate", "score", "convert", "extract"} <= {n for n, _ in SHOWN}


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
    assert "Table 3, simulated features" in (tmp_path / "tables" / "table-3.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []

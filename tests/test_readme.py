"""What the README shows is run: its Python, its commands' words, its links."""

import re
from pathlib import Path

import pytest

from mmpyramid.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BLOCKS = re.findall(r"```python\n(.*?)```\n+```\n(.*?)```", README, re.DOTALL)
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
    from mmpyramid.cli import main

    assert name in COMMANDS
    recipe = words.split()[:1] if name in ("train", "refine") else []
    with pytest.raises(SystemExit) as stopped:
        main([name, *recipe, "--help"])
    assert stopped.value.code == 0
    help_text = capsys.readouterr().out
    for flag in re.findall(r"--[a-z-]+", words):
        assert flag in help_text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []

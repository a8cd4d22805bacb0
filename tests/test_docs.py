"""What the pages in docs/ show is run: files, commands, what they print, links."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmpyramid.render import FORMATS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
COMMAND = re.compile(r"^\$ (.*)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def run(folder: Path, *words: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_commands(page: Path, folder: Path) -> str:
    """Run every line that a page shows after a prompt, in one shell."""
    lines = [line for block in blocks(page, "console") for line in COMMAND.findall(block)]
    return run(folder, "bash", "-e", "-c", "\n".join(lines))


@pytest.mark.slow
def test_a_network_of_your_own(tmp_path):
    page = DOCS / "new-network.md"
    network, use = blocks(page, "python")
    assert len(network.splitlines()) <= 40
    (tmp_path / "toy.py").write_text(network)
    table = run_commands(page, tmp_path)
    ours, nothing = (
        float(next(line for line in table.splitlines() if line.startswith(row)).split()[-2])
        for row in ("model ", "nothing ")
    )
    assert ours > nothing + 5, f"the toy learned nothing:\n{table}"
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, sys.executable, "-c", use) == printed


@pytest.mark.slow
def test_experiments(tmp_path):
    run_commands(DOCS / "experiments.md", tmp_path)
    page = (tmp_path / "sim" / "tables" / "table-4.md").read_text()
    assert page.startswith("# Table 4, simulated features")
    assert (tmp_path / "sim" / "han" / "figure6.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_files_come_back(tmp_path):
    page = DOCS / "files.md"
    run(tmp_path, sys.executable, "-c", *blocks(page, "python"))
    run_commands(page, tmp_path)
    (event,) = json.loads((tmp_path / "corrected.json").read_text())["events"]
    assert (event["label"], event["end"]) == ("Cat", 10.0)
    assert (tmp_path / "clip.comparison.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_notebook_runs(tmp_path):
    page = DOCS / "notebook.md"
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, sys.executable, "-c", "\n".join(blocks(page, "python"))) == printed
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_every_format_is_in_the_table_of_files():
    shown = re.findall(r"^\| (`.*?) \|", (DOCS / "files.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(.*?)`", " ".join(shown))) == sorted(FORMATS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [x for x in links if "://" not in x and not (DOCS / x).exists()] == []

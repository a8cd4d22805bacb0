"""What the pages in docs/ show is run: files, commands, what they print, links."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import media_files
from mmpyramid.cli import main
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


def section(page: Path, title: str, folder: Path) -> Path:
    """One section of a page, as a page."""
    (text,) = re.findall(
        rf"^(## {title}\n.*?)(?=^## |\Z)", page.read_text(), re.DOTALL | re.MULTILINE
    )
    path = folder / "section.md"
    path.write_text(text)
    return path


@pytest.mark.slow
@pytest.mark.network
def test_a_backbone_of_your_own(tmp_path):
    page = section(DOCS / "extend.md", "A backbone", tmp_path)
    backbone, use = blocks(page, "python")
    (tmp_path / "loudness.py").write_text(backbone)
    (tmp_path / "videos").mkdir()
    for number in range(2):
        media_files.write_media(
            tmp_path / "videos" / f"{number}.mp4",
            media_files.steady(20),
            media_files.tone(440 * (1 + number), 2.0),
        )
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, sys.executable, "-c", use) == printed
    told = run_commands(page, tmp_path)
    assert "features: 2 extracted" in told
    assert "loudness (2)" in told
    assert len(list((tmp_path / "timelines").glob("*.json"))) == 2


@pytest.mark.slow
def test_experiments(tmp_path):
    run_commands(DOCS / "experiments.md", tmp_path)
    page = (tmp_path / "sim" / "tables" / "table-4.md").read_text()
    assert page.startswith("# Table 4, simulated features")
    assert (tmp_path / "sim" / "han" / "figure6.png").read_bytes()[:4] == b"\x89PNG"
    assert "Disagreements" in (tmp_path / "sim" / "han" / "compared.html").read_text()
    assert "Mean of all" in (tmp_path / "sim" / "pages" / "index.html").read_text()


@pytest.mark.slow
def test_files_come_back(tmp_path):
    page = DOCS / "files.md"
    run(tmp_path, sys.executable, "-c", *blocks(page, "python"))
    run_commands(page, tmp_path)
    (event,) = json.loads((tmp_path / "corrected.json").read_text())["events"]
    assert (event["label"], event["end"]) == ("Cat", 10.0)
    assert (tmp_path / "clip.comparison.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
@pytest.mark.network
def test_a_person_with_videos(tmp_path):
    media_files.write_media(
        tmp_path / "holiday.mp4", media_files.steady(20), media_files.tone(440, 2.0)
    )
    run_commands(DOCS / "person.md", tmp_path)
    names = {path.name for path in (tmp_path / "timelines").iterdir()}
    assert names == {f"holiday.{suffix}" for suffix in ("json", "html", "vtt", "csv")}
    assert "data:video/mp4" in (tmp_path / "for-friends" / "holiday.html").read_text()


@pytest.mark.slow
def test_a_researcher(tmp_path):
    run_commands(DOCS / "researcher.md", tmp_path)
    ours, scored = (
        json.loads((tmp_path / name).read_text()) for name in ("ours.json", "scored.json")
    )
    assert all(ours[level] == pytest.approx(scored[level]) for level in ("segment", "event"))
    assert "HAN" in (tmp_path / "compared.html").read_text()


@pytest.mark.slow
@pytest.mark.network
def test_a_team_with_a_corpus(tmp_path):
    page = DOCS / "team.md"
    (tmp_path / "corpus.py").write_text(*blocks(page, "python"))
    run(tmp_path, sys.executable, "corpus.py")
    run_commands(page, tmp_path)
    assert len(list((tmp_path / "timelines").glob("*.tsv"))) == 10


@pytest.mark.slow
def test_a_notebook_runs(tmp_path):
    page = DOCS / "notebook.md"
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, sys.executable, "-c", "\n".join(blocks(page, "python"))) == printed
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_every_format_is_in_the_table_of_files():
    shown = re.findall(r"^\| (`.*?) \|", (DOCS / "files.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(.*?)`", " ".join(shown))) == sorted(FORMATS)


def test_no_page_shows_what_is_not_run():
    shown = {page.name for page in PAGES if blocks(page, "python") or blocks(page, "console")}
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    assert {name for name in shown if f'/ "{name}"' not in tests} == set()


@pytest.mark.parametrize("page", [DOCS / "features.md", DOCS / "corpus.md"], ids=lambda p: p.stem)
def test_options_exist_where_commands_need_a_hub_or_a_cluster(page, capsys):
    for command in COMMAND.findall(*blocks(page, "console")):
        _, name, *words = command.partition("#")[0].split()
        with pytest.raises(SystemExit):
            main([name, "--help"])
        told = capsys.readouterr().out
        assert all(word in told for word in words if word.startswith("--"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!gallery/)([^)#]+)\)", page.read_text())  # The build makes those.
    assert [x for x in links if "://" not in x and not (DOCS / x).exists()] == []

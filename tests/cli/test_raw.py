"""Cells that a spreadsheet would run are escaped in every table, unless programs read it."""

from rich.console import Console

from mmpyramid.cli.main import main
from mmpyramid.cli.parse import _write
from mmpyramid.core import Event, Modality, Timeline

FORMULA = Timeline(
    events=(Event(0.0, 1.0, "=1+1", Modality.AUDIO, 0.9),), duration=2.0, labels=("=1+1",)
)


def test_parse_escapes_formulas_unless_it_is_told_not_to(tmp_path):
    paths = {name: tmp_path / f"a.{name}" for name in ("csv", "tsv", "json")}
    page = {"video": None, "embed": False}
    for raw in (False, True):
        assert _write(FORMULA, paths, page, raw, Console(quiet=True))
        for name in ("csv", "tsv"):
            assert ("'=1+1" in paths[name].read_text()) is not raw
            assert "=1+1" in paths[name].read_text()


def test_raw_needs_a_table(tmp_path, capsys):
    words = ["--raw", "--formats", "json,html", "--out", str(tmp_path)]
    corpus = ["--data", str(tmp_path), "--ids", "a"]
    for command in (["parse", "a.mp4"], ["predict", str(tmp_path), *corpus]):
        assert main([*command, *words]) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert "--raw applies to the cells of" in told
        assert "leave it out for json, html" in told

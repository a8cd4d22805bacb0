"""Benchmarks say what they need, in one paragraph, before they do anything slow."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = [path for path in FOLDER.glob("*.py") if '"__main__"' in path.read_text()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_mistakes_are_told_by_every_script(script):
    assert "    command(" in script.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["parse"], "expected files with sound and picture"),
        (["teach", "absent"], "absent/index.csv"),
        (["evaluate", "--official", "absent"], "got absent, which has no folder `nets`"),
        (["epoch", "--official", "absent"], "got absent, which has no folder `nets`"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_missing_is_told_at_once(words, told, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    script = FOLDER / f"{words[0]}.py"
    monkeypatch.setattr("sys.argv", [str(script), *words[1:]])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 2
    (paragraph,) = capsys.readouterr().err.splitlines()
    assert paragraph.startswith(f"{words[0]}.py: ")
    assert told in paragraph

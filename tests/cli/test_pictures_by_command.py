"""Pictures by the command line: names, places, and what cannot be drawn."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from mmpyramid.cli.render import short_names
from mmpyramid.core import Event, Modality, Timeline

BLOCKED = """
import sys
sys.modules["matplotlib"] = None
from mmpyramid.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def plain(tmp_path) -> Path:
    """A timeline without weights of pyramid units."""
    event = Event(1.0, 4.0, "Dog", Modality.AUDIO)
    Timeline(events=(event,), duration=10.0, labels=("Dog",), source="clip.mp4").save(
        tmp_path / "clip.json"
    )
    return tmp_path / "clip.json"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["clip.json"], ["clip"]),
        (["truth.json", "ours.json"], ["truth", "ours"]),
        (["out/x.truth.json", "han/x.json", "ours/x.json"], ["truth", "han", "ours"]),
        (["ours/x.truth.json", "ours/x.json"], ["truth", "ours"]),
        (["a/x.json", "b/x.json"], ["a", "b"]),
        (["x.json", "x_2.json"], ["x", "x_2"]),
    ],
)
def test_files_are_named_by_what_they_do_not_share(paths, names):
    assert short_names([Path(path) for path in paths]) == names


@pytest.mark.parametrize("to", ["png", "svg"])
def test_one_timeline_is_a_picture(plain, run, to, capsys):
    assert run("render", plain, "--to", to) == 0
    assert capsys.readouterr().out.strip() == str(plain.with_suffix(f".{to}"))
    assert plain.with_suffix(f".{to}").stat().st_size > 1000


def test_several_timelines_make_a_page_that_plays_the_first_video_found(plain, clip, run, capsys):
    other = plain.with_name("other.json")
    replace(Timeline.load(plain), source=str(clip)).save(other)
    assert run("render", plain, other, "--to", "html") == 0
    page = plain.with_suffix(".comparison.html")
    assert capsys.readouterr().out.strip() == str(page)
    assert f'src="{quote(os.path.relpath(clip, page.parent))}"' in page.read_text()
    assert str(clip.parent) not in page.read_text()
    assert '<th scope="row">other</th>' in page.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["A", "--to", "png", "--unit-weights"], "clip.mp4 has no weights of pyramid units"),
        (["A", "--to", "csv", "--unit-weights"], "clip.mp4 has no weights of pyramid units"),
        (["A", "--to", "vtt", "--unit-weights"], "--unit-weights goes with --to png, svg or csv"),
        (["A", "A", "--to", "png"], "name each by --names"),
        (["A", "A", "--to", "png", "--names", "a,b,c"], "each of 2 timelines"),
        (["A", "A", "--to", "png", "--names", "a,"], "each of 2 timelines"),
        (["A", "A", "--to", "png", "--names", "a,a"], "several called a"),
        (["A", "A", "--to", "vtt", "--names", "a,b"], "--to vtt takes one timeline, got 2"),
        (["A", "A", "--to", "html", "--names", "a,b", "--embed"], "there is no video clip.mp4"),
        (["A", "A", "--to", "svg", "--names", "a,b", "--unit-weights"], "render them one by one"),
        (["--to", "png"], "got none"),
        (["gone.json", "A", "--to", "png"], "gone.json"),
    ],
)
def test_mistakes_are_reported_in_one_paragraph(words, message, plain, run, capsys):
    assert run("render", *(str(plain) if word == "A" else word for word in words)) == 2
    line = capsys.readouterr().err
    assert line.startswith("mmpyramid render: ")
    assert message in line
    assert len(line.splitlines()) == 1
    assert [path.name for path in plain.parent.iterdir()] == ["clip.json"]


@pytest.mark.slow
def test_without_matplotlib_the_extra_is_named_and_text_still_works(plain):
    command = [sys.executable, "-c", BLOCKED, "render", str(plain), "--to"]
    done = subprocess.run([*command, "png"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install -e '.[plots]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert subprocess.run([*command, "csv"], capture_output=True, text=True).returncode == 0

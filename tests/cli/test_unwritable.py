"""What cannot be written is told with exit code 2 before any work, by every command."""

import pytest

from core.test_files import full_disk
from mmpyramid.core import Event, Modality, Timeline

LONG = "x" * 256


@pytest.fixture
def timeline(tmp_path):
    event = Event(1.0, 2.0, "=1+1", Modality.AUDIO, 0.5)
    path = tmp_path / "clip.json"
    Timeline(events=(event,), duration=3.0, labels=("=1+1",)).save(path)
    return path


COMMANDS = {
    "parse": ("parse", "absent.mp4", "--model", "absent", "--out", "{out}"),
    "render": ("render", "{timeline}", "--to", "csv", "--out", "{out}"),
    "predict": ("predict", "absent", "--data", "absent", "--ids", "a", "--out", "{out}"),
    "extract": ("extract", "absent/", "--out", "{out}"),
    "train": ("train", "llp", "--data", "absent", "--out", "{out}"),
    "refine": ("refine", "han-ma", "--data", "absent", "--out", "{out}"),
    "score": ("score", "absent.npz", "--labels", "absent", "--json", "{out}"),
    "score report": ("score", "absent.npz", "--labels", "absent", "--report", "{out}"),
    "agree": ("agree", "{timeline}", "absent", "--json", "{out}"),
    "evaluate": ("evaluate", "absent", "--data", "absent", "--json", "{out}"),
    "evaluate predictions": ("evaluate", "absent", "--data", "absent", "--predictions", "{out}"),
    "evaluate pages": ("evaluate", "absent", "--data", "absent", "--pages", "{out}"),
    "export": ("export", "absent", "--out", "{out}"),
    "import": ("store", "import", "absent", "--out", "{out}"),
    "export store": ("store", "export", "absent", "--out", "{out}"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("place", [LONG, f"new/{LONG}", "clip.json/out", "/proc/new"])
def test_it_is_told_before_the_work(run, timeline, words, place, tmp_path, capsys):
    out = tmp_path / place
    before = sorted(tmp_path.rglob("*"))
    assert run(*(word.format(out=out, timeline=timeline) for word in words)) == 2
    assert f"cannot write {out}" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_video_whose_timeline_would_have_too_long_a_name(run, tmp_path, capsys):
    video = tmp_path / f"{'x' * 250}.mp4"
    video.write_bytes(b"")
    assert run("parse", video, "--out", tmp_path / "out", "--formats", "json,labels.txt") == 2
    assert "a name takes at most 255 bytes here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_part_of_a_rendered_file(run, timeline, tmp_path, capsys):
    with full_disk():
        assert run("render", timeline, "--to", "html") == 2
    assert "the disk is full" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [timeline]


def test_raw_cells_are_for_programs(run, timeline, tmp_path, capsys):
    assert run("render", timeline, "--to", "csv", "--out", tmp_path / "a.csv") == 0
    assert run("render", timeline, "--to", "csv", "--raw", "--out", tmp_path / "b.csv") == 0
    assert "\n'=1+1," in (tmp_path / "a.csv").read_text()
    assert "\n=1+1," in (tmp_path / "b.csv").read_text()
    for name in ("a", "b"):
        assert run("render", tmp_path / f"{name}.csv", "--to", "json") == 0
        assert Timeline.load(tmp_path / f"{name}.json").labels == ("=1+1",)
    assert run("render", timeline, "--to", "vtt", "--raw") == 2
    assert "--raw applies to the cells of csv, losslesscut.csv, tsv" in capsys.readouterr().err

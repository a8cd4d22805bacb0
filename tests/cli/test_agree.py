"""`mmpyramid agree`: timelines of several people, in any format that is read."""

import json
import math

import pytest

from mmpyramid import Event, Modality, Timeline
from mmpyramid.formats import encode


def timeline(start, end):
    events = (
        Event(start, end, "Dog", Modality.AUDIO),
        Event(0.0, 3.0, "Cat", Modality.AUDIO_VISUAL),
    )
    return Timeline(events=events, duration=10.0, labels=("Dog", "Cat"))


@pytest.fixture
def coders(tmp_path):
    """Three folders with three videos; one of the coders wrote other formats and lacks a video."""
    for coder, formats, shift in (("ann", ["json"] * 3, 0), ("ben", ["csv", "eaf", "tsv"], 1)):
        for video, suffix in enumerate(formats):
            path = tmp_path / coder / f"clip {video}.{suffix}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encode(timeline(4.0 + shift * video / 2, 9.0), suffix))
    (tmp_path / "cleo").mkdir()
    (tmp_path / "cleo" / "clip 0.json").write_bytes(encode(timeline(4, 8), "json"))
    (tmp_path / "cleo" / "notes.pdf").write_bytes(b"not a timeline")
    (tmp_path / "cleo" / "other.json").write_bytes(encode(timeline(4, 8), "json"))
    return [tmp_path / name for name in ("ann", "ben", "cleo")]


def test_folders_of_three_coders(coders, run, tmp_path, capsys):
    written = tmp_path / "agreement.json"
    words = ("--json", written, "--resamples", 100, "--seconds", 10)
    assert run("agree", *coders, *words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("ann and ben and cleo: 3 videos, segments of one second")
    assert "left out: 1 video that only one has" in shown
    assert "ben and cleo" in shown
    numbers = json.loads(written.read_text())
    rows = {(row["label"], row["modality"]): row for row in numbers["rows"]}
    assert rows["Cat", "audio"]["kappa"] == rows["Cat", "visual"]["alpha"] == 1
    assert 0.5 < rows["Dog", "audio"]["kappa"] < 1
    low, high = rows["all labels", ""]["alpha_ends"]
    assert low <= rows["all labels", ""]["alpha"] <= high
    assert numbers["pairs"][0]["raters"] == ["ann", "ben"]


def test_two_files_of_one_video(coders, run, capsys):
    words = (coders[0] / "clip 2.json", coders[1] / "clip 2.tsv", "--names", "first,second")
    assert run("agree", *words) == 0
    shown = capsys.readouterr().out
    assert "first and second: 1 video," in shown
    assert "from" not in shown, "one video has no interval"


def test_silence_behind_the_last_event_counts_only_if_it_is_known(coders, run, tmp_path):
    kappas = []
    for seconds in ((), ("--seconds", 60)):
        words = (coders[0], coders[1], "--json", tmp_path / "a.json", *seconds)
        assert run("agree", *words, "--resamples", 0) == 0
        rows = json.loads((tmp_path / "a.json").read_text())["rows"]
        kappas.append(next(row["kappa"] for row in rows if row["label"] == "Dog"))
    assert kappas[0] < kappas[1] < 1
    assert not math.isnan(kappas[0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("A",), "two or more timelines of one video, or two or more folders"),
        (("A", "A/clip 0.json"), "two or more timelines of one video, or two or more folders"),
        (("A", "A"), "different names for 2 raters"),
        (("A", "B", "--names", "x"), "different names for 2 raters, got x"),
        (("A", "B", "--names=,x"), "different names for 2 raters, got , x"),
        (("A", "gone"), "no file or folder"),
        (("A", "EMPTY"), "expected timelines in"),
        (("A", "B", "--seconds", "0"), "--seconds above 0"),
        (("A", "B", "--seconds", "5"), "within the 5 s of every video"),
        (("A", "TWICE"), "one timeline of each video"),
        (("A", "BROKEN"), "cannot read"),
    ],
)
def test_mistakes(words, message, coders, run, tmp_path, capsys):
    for name, files in {"EMPTY": {}, "TWICE": {"clip 0.json", "clip 0.csv"}}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_bytes(encode(timeline(4, 8), file.split(".")[1]))
    (tmp_path / "BROKEN").mkdir()
    (tmp_path / "BROKEN" / "clip 0.json").write_text("{")
    places = {"A": "ann", "B": "ben"}
    filled = [
        tmp_path / places.get(word.split("/")[0], word.split("/")[0]) / word.partition("/")[2]
        if not word.startswith("-") and word not in {"x", "0", "5"}
        else word
        for word in words
    ]
    assert run("agree", *filled) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1

"""A library: videos in, moments out; what is added, scored anew and asked."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import media_files
from mmpyramid.cli import main
from mmpyramid.core import Event, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.library import Library, Query, search
from mmpyramid.library.index import heard_and_seen, write_tables
from mmpyramid.library.query import select

ROWS = [
    ("a", "Dog", "audio", 1.0, 4.0, 0.9),
    ("a", "Dog", "visual", 3.0, 5.0, 0.8),
    ("a", "Dog", "audio_visual", 3.0, 4.0, 0.7),
    ("a", "Singing", "audio", 9.0, 12.0, 0.6),
    ("b", "Dog", "audio", 0.0, 1.0, 0.5),
    ("b", "Car_engine", "visual", 2.0, 8.0, 0.9),
    ('c\'s "clip"', "Singing", "audio", 0.0, 10.0, 0.9),
]
COLUMNS = ("video", "label", "modality", "start", "end", "score")


@pytest.fixture
def library(tmp_path) -> Library:
    """A library of three videos, whose tables are written by its own writer, in two parts."""
    found = Library(tmp_path / "lib")
    found.create()
    events = tmp_path / "lib" / "events-0001"
    for names in ({"a", "b"}, {'c\'s "clip"'}):
        rows = [row for row in ROWS if row[0] in names]
        videos = [(name, 12.0) for name in sorted(names)]
        write_tables(events, {"events": (COLUMNS, rows), "videos": (("video", "duration"), videos)})
    paths = [("a", str(tmp_path / "videos" / "a.mp4")), ("b", str(tmp_path / "videos" / "b 1.mp4"))]
    write_tables(tmp_path / "lib" / "paths", {"part": (("video", "path"), paths)})
    return found


def times(library, question=None, **conditions):
    found = search(library, Query.parse(question, **conditions))
    return [(m.video[0], m.label, m.modality, m.start) for m in found]


class TestQuestions:
    def test_a_label_in_any_spelling(self, library):
        dogs = [("a", "Dog", "audio", 1.0), ("a", "Dog", "visual", 3.0), ("b", "Dog", "audio", 0.0)]
        assert times(library, "dog") == dogs
        assert times(library, "car engine") == [("b", "Car_engine", "visual", 2.0)]
        assert len(times(library)) == 6

    def test_heard_and_seen(self, library):
        assert times(library, "Dog", heard=True) == [
            ("a", "Dog", "audio", 1.0), ("b", "Dog", "audio", 0.0),
        ]  # fmt: skip
        assert times(library, "Dog", heard=True, seen=False) == [("b", "Dog", "audio", 0.0)]
        assert times(library, "Dog", heard=True, seen=True) == [("a", "Dog", "audio_visual", 3.0)]
        assert times(library, "Dog", heard=False) == []
        assert times(library, seen=True, heard=False) == [("b", "Car_engine", "visual", 2.0)]
        with pytest.raises(UserError, match="leave one out"):
            Query(heard=False, seen=False)

    def test_near(self, library):
        """From 5 s, where the dog is seen last, to 9 s, where singing begins."""
        assert times(library, "Dog within 4 s of Singing") == [("a", "Dog", "visual", 3.0)]
        assert times(library, "singing within 5 seconds of dog", heard=True) == [
            ("a", "Singing", "audio", 9.0)
        ]
        assert times(library, "Dog within 3.9 s of Singing") == []

    def test_other_labels_of_the_video(self, library):
        assert times(library, "Dog", also=["Car engine"]) == [("b", "Dog", "audio", 0.0)]
        assert times(library, "Singing", without=["Dog"])[0][0] == "c"
        assert len(times(library, "Singing", without=["Trumpet"])) == 2

    def test_length_and_score(self, library):
        assert times(library, "Singing", min_length=5) == [("c", "Singing", "audio", 0.0)]
        assert times(library, "Dog", min_score=0.85) == [("a", "Dog", "audio", 1.0)]
        with pytest.raises(UserError, match="--min-length of 0 or more"):
            Query(min_length=-1)

    def test_what_is_not_there(self, library):
        with pytest.raises(UserError, match="did you mean Singing"):
            times(library, "Singin")
        with pytest.raises(UserError, match="it has Car_engine, Dog, Singing"):
            times(library, "Zebra'; DROP TABLE events; --")

    def test_sql(self, library):
        columns, rows = select(library, "SELECT video, count(*) AS n FROM events GROUP BY ALL")
        assert columns == ["video", "n"]
        assert dict(rows) == {"a": 4, "b": 2, 'c\'s "clip"': 1}
        assert dict(select(library, "SELECT video, duration FROM videos")[1])["a"] == 12.0
        with pytest.raises(UserError, match="expected SQL over the tables"):
            select(library, "SELECT nothing FROM nowhere")


class TestCommand:
    def search(self, library, capsys, *words):
        assert main(["library", "search", str(library.folder), *words]) == 0
        return capsys.readouterr().out

    def test_forms(self, library, tmp_path, capsys):
        shown = self.search(library, capsys, "dog", "--heard", "True")
        assert "a      1      4    Dog    audible  0.90" in shown
        assert "2 found" in shown
        found = json.loads(self.search(library, capsys, "dog", "--to", "json", "--limit", "1"))
        assert found == [
            dict(zip(COLUMNS, ROWS[0], strict=True)) | {"path": str(tmp_path / "videos" / "a.mp4")}
        ]
        rows = list(csv.reader(io.StringIO(self.search(library, capsys, "--to", "csv"))))
        assert len(rows) == 7
        found = self.search(library, capsys, "--to", "json", "--sql", "SELECT 1 AS one")
        assert json.loads(found) == [{"one": 1}]

    def test_playlist_and_page_lead_to_the_files(self, library, tmp_path, capsys):
        out = tmp_path / "out" / "found.m3u"
        self.search(library, capsys, "dog", "--to", "m3u", "--out", str(out))
        lines = out.read_text().splitlines()
        assert lines[0] == "#EXTM3U"
        assert lines[3:6] == [
            *("#EXTVLCOPT:start-time=0", "#EXTVLCOPT:stop-time=5", "../videos/a.mp4"),
        ]
        page = out.with_suffix(".html")
        self.search(library, capsys, "--to", "html", "--out", str(page))
        text = page.read_text()
        assert 'src="../videos/b%201.mp4#t=' in text
        assert "c&#x27;s &quot;clip&quot;" in text
        assert "Where this video lies is not known." in text

    def test_mistakes(self, library, tmp_path, capsys):
        for words, message in {
            ("search", str(tmp_path)): "got a folder without library.json",
            ("search", str(library.folder), "--to", "html"): "name it by --out",
            ("search", str(library.folder), "dog", "--sql", "SELECT 1"): "give it alone",
            ("search", str(library.folder), "--limit", "0"): "--limit of at least 1",
            ("find",): "expected one of `library add`",
            (
                "add",
                str(tmp_path),
                "--out",
                str(library.folder),
                "--vocabulary",
                "llp",
            ): "was scored",
            ("add", str(tmp_path), "--out", str(tmp_path)): "has other files",
        }.items():
            assert main(["library", *words]) == 2
            assert message in capsys.readouterr().err
        assert main(["library"]) == 2


def test_events_of_localization_are_heard_and_are_seen():
    both = Event(0.0, 2.0, "Dog", Modality.AUDIO_VISUAL, 0.5)
    assert [e.modality.value for e in heard_and_seen([both])] == ["audio", "visual", "audio_visual"]
    parsed = [Event(0.0, 2.0, "Dog", Modality.AUDIO), both]
    assert list(heard_and_seen(parsed)) == parsed


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Four clips of two seconds, of which one is no media file."""
    folder = tmp_path_factory.mktemp("videos")
    for index in range(3):
        sound = media_files.tone(440.0 * (index + 1), 2.0)
        media_files.write_media(folder / f"clip{index}.mp4", media_files.steady(20), sound)
    (folder / "broken.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    return folder


@pytest.mark.slow
def test_videos_are_added_once_and_scored_anew_without_being_read(videos, tmp_path, capsys):
    lib = tmp_path / "lib"
    words = ["library", "add", str(videos), "--out", str(lib), "--workers", "1"]
    assert main(words) == 1
    shown = capsys.readouterr()
    assert f"{lib}: 3 added, 0 were there already, 1 failed" in shown.out
    assert "broken skipped" in shown.err
    assert main(words) == 1
    assert "0 added, 3 were there already" in capsys.readouterr().out
    library = Library(lib)
    assert len(select(library, "FROM videos")[1]) == 3
    assert select(library, "SELECT path FROM videos WHERE video = 'clip0'")[1] == [
        (str(videos / "clip0.mp4"),)
    ]
    before = len(select(library, "FROM events")[1])
    moved = tmp_path / "elsewhere"
    videos.rename(moved)
    try:
        assert main(["library", "score", str(lib), "--vocabulary", "llp"]) == 0
    finally:
        moved.rename(videos)
    assert library.description.vocabulary == "llp"
    assert [path.name for path in lib.glob("events-*")] == ["events-0002"]
    assert len(select(library, "FROM videos")[1]) == 3
    assert len(select(library, "FROM events")[1]) != before or before == 0
    other = tmp_path / "other" / "clip0.mp4"
    other.parent.mkdir()
    other.write_bytes((videos / "clip0.mp4").read_bytes())
    assert main(["library", "add", str(other), "--out", str(lib)]) == 2
    assert "have the same name" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_goes_on(videos, tmp_path):
    lib = tmp_path / "lib"
    words = ["library", "add", str(videos), "--out", str(lib), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mmpyramid", *words], start_new_session=True, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any((lib / "store").glob("*.journal*")):
        if any((lib / "store").glob("*")) or process.poll() is not None:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert main(words) == 1
    assert len(select(Library(lib), "FROM videos")[1]) == 3

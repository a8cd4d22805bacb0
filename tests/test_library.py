"""A library: videos in, moments out; what is added, scored anew and asked."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

import media_files
from mmpyramid.cli import main
from mmpyramid.core import Event, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import heard_and_seen
from mmpyramid.core.scores import Extracted
from mmpyramid.library import Library, Query, search
from mmpyramid.library.clips import cut_moments
from mmpyramid.library.index import write_tables
from mmpyramid.library.query import BEFORE, Moment, select, to_html, to_m3u
from mmpyramid.library.similar import Example, find_similar
from mmpyramid.media import MediaFile, SegmentReader
from mmpyramid.media.cutting import cut
from mmpyramid.store.store import Provenance, StreamProvenance
from mmpyramid.store.writer import StoreWriter

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


def test_a_library_of_any_name(library):
    """What would be a pattern is a name."""
    moved = Library(library.folder.rename(library.folder.with_name("it's [1]*?")))
    assert [m.video for m in search(moved, Query(label="Car_engine"))] == ["b"]


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

    def test_a_title_says_all_of_it(self):
        query = Query.parse("Dog within 4 s of car_engine", heard=True, also=["Cat", "Bird"])
        assert (
            query.in_words() == "Dog within 4 s of car engine, heard, in videos with Cat and Bird"
        )
        assert Query(min_length=5, min_score=0.5).in_words() == (
            "All events, 5 s or longer, score 0.5 or more"
        )

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

    @pytest.mark.parametrize(
        "statement",
        [
            *("FROM read_text('{other}')", "FROM read_csv('{other}')", "FROM '{other}'"),
            *("FROM read_blob('/dev/zero')", "FROM glob('/etc/*')", "FROM sniff_csv('{other}')"),
            *("COPY (SELECT 1) TO '{new}'", "ATTACH '{new}'", "EXPORT DATABASE '{new}'"),
            *("COPY (SELECT 1) TO '{lib}/x.csv'", "EXPLAIN ANALYZE COPY (SELECT 1) TO '{new}'"),
            *("INSTALL httpfs", "LOAD httpfs", "CREATE TABLE x AS SELECT 1", "DROP VIEW events"),
            *("SET enable_external_access = true", "SELECT 1; COPY (SELECT 1) TO '{new}'"),
            *("FROM read_parquet('https://localhost/x.parquet')", "", "  ;", "-- nothing", "\0"),
        ],
    )
    def test_sql_opens_no_other_file_and_changes_nothing(self, statement, library, tmp_path):
        other, new = tmp_path / "other.csv", tmp_path / "new"
        other.write_text("secret\n1\n")
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(UserError, match=r"expected (one statement|SQL)"):
            select(library, statement.format(other=other, new=new, lib=library.folder))
        assert sorted(tmp_path.rglob("*")) == before
        assert len(select(library, "FROM events")[1]) == len(ROWS)

    def test_what_is_near_is_asked_for_in_seconds(self, library):
        for question in ("Dog within 0,5 s of Singing", "Dog within 5 minutes of Singing"):
            with pytest.raises(UserError, match="asked for in seconds"):
                times(library, question)

    def test_a_limit_may_be_any_number(self, library):
        assert len(search(library, Query(label="Dog"), limit=10**30)) == 3

    def test_what_sql_gives_steers_no_terminal(self, library, capsys):
        statement = "SELECT chr(27) || '[31m' AS \"a\x1b[1m\", '[/]' AS b"
        assert main(["library", "search", str(library.folder), "--sql", statement]) == 0
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "[/]" in shown


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
        assert "The path of this video is not known." in text

    def test_mistakes(self, library, tmp_path, capsys):
        for words, message in {
            ("search", str(tmp_path)): "found no library.json in it",
            ("search", str(library.folder), "--to", "html"): "name it by --out",
            ("search", str(library.folder), "dog", "--sql", "SELECT 1"): "give it alone",
            ("search", str(library.folder), "--sql", "SELECT 1", "--limit", "1"): "(write LIMIT)",
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


class TestRot:
    """Tables that are not as they were written."""

    @pytest.mark.parametrize("table", ["events", "videos", "part"])
    def test_every_flipped_bit_is_found(self, table, library):
        """Most of them would change a label, a time or a score, and be read."""
        path = sorted(library.folder.rglob(f"{table}-*.parquet"))[0]
        content = path.read_bytes()
        assert len(search(library, Query(label="Dog"))) == 3
        for place in np.random.default_rng(0).integers(0, 8 * len(content), 40):
            damaged = bytearray(content)
            damaged[place // 8] ^= 1 << place % 8
            path.write_bytes(damaged)
            with pytest.raises(UserError, match=f"{path.name} is damaged: its checksum differs"):
                search(library, Query(label="Dog"))

    def test_a_table_that_was_cut_off(self, library, capsys):
        for path in library.folder.rglob("events-*.parquet"):
            path.write_bytes(path.read_bytes()[:-100])
        assert main(["library", "search", str(library.folder), "Dog"]) == 2
        assert "its checksum differs" in " ".join(capsys.readouterr().err.split())

    def test_tables_of_earlier_versions_have_no_checksum(self, library):
        for path in [*library.folder.rglob("*.parquet")]:
            path.rename(path.with_name(path.name.rpartition("-")[0] + ".parquet"))
        assert len(search(library, Query(label="Dog"))) == 3

    def test_half_a_pair_of_tables_is_written_anew(self, library):
        """As a run leaves it that was killed between the two."""
        events = library.folder / "events-0001"
        rows = [("d", "Dog", "audio", 0.0, 1.0, 0.9)]
        tables = {"events": (COLUMNS, rows), "videos": (("video", "duration"), [("d", 12.0)])}
        for rows[0] in (("d", "Cat", "audio", 0.0, 1.0, 0.9), ("d", "Dog", "audio", 0.0, 1.0, 0.9)):
            for path in events.glob("videos-000003*"):
                path.unlink()
            write_tables(events, tables)
        found = select(library, "SELECT label FROM events WHERE video = 'd'")[1]
        assert found == [("Dog",)]


def test_moments_many_days_into_a_video_keep_their_place():
    moment = Moment("a", "a.mp4", 1_234_567.25, 1_234_570.0, "Dog", "audio", 0.9)
    begin = moment.start - BEFORE
    assert f"start-time={begin}\n" in to_m3u([moment], Path("found.m3u"), "Dogs")
    page = to_html([moment], Path("found.html"), "Dogs")
    assert f'<a data-start="{begin}" href="a.mp4#t=1234567.25">' in page


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
    capsys.readouterr()
    assert main([*words, "--model", "teachers"]) == 2, "which would be by another vocabulary"
    assert "was scored by" in capsys.readouterr().err
    assert [path.name for path in lib.glob("events-*")] == ["events-0002"]
    assert len(select(library, "FROM videos")[1]) == 3
    assert len(select(library, "FROM events")[1]) != before or before == 0
    other = tmp_path / "other" / "clip0.mp4"
    other.parent.mkdir()
    other.write_bytes((videos / "clip0.mp4").read_bytes())
    assert main(["library", "add", str(other), "--out", str(lib)]) == 2
    assert "have the same name" in capsys.readouterr().err


def test_a_folder_that_is_no_library_stays_as_it_is(tmp_path, capsys):
    for words in (["score", str(tmp_path)], ["search", str(tmp_path), "Dog"]):
        assert main(["library", *words]) == 2
        assert "expected a library" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []
    library = Library(tmp_path)
    library.create()
    for ask in (lambda: library.store, lambda: search(library, Query())):
        with pytest.raises(UserError, match="has no videos yet"):
            ask()


@pytest.mark.slow
def test_videos_that_were_moved_are_found_again(videos, tmp_path, capsys):
    first, second, lib = tmp_path / "first", tmp_path / "second", tmp_path / "lib"
    first.mkdir()
    shutil.copy(videos / "clip0.mp4", first)
    words = ["library", "add", "--out", str(lib)]
    assert main([*words, str(first)]) == 0
    shutil.copytree(first, second)
    assert main([*words, str(second)]) == 2
    assert "expected each video once" in capsys.readouterr().err
    shutil.rmtree(first)
    for turn in range(2):
        assert main([*words, str(second)]) == 0, turn
    assert "0 added, 1 were there already" in capsys.readouterr().out
    library = Library(lib)
    assert library.paths == {"clip0": str(second / "clip0.mp4")}
    assert select(library, "SELECT video, path FROM videos")[1] == [*library.paths.items()]
    assert len([*lib.glob("paths/*")]) == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_of_any_bytes_lead_to_the_files(tmp_path, capsys):
    """Whatever the terminal is shown of them."""
    videos, lib = tmp_path / "videos", tmp_path / "lib"
    videos.mkdir()
    names = [os.fsdecode(name) for name in (b"caf\xe9.mp4", b"new\nline.mp4", b"back\\slash.mp4")]
    names.append("bidi\u202egpj.mp4")
    clip = media_files.write_media(tmp_path / "clip.mp4", media_files.steady(20))
    for name in names:
        (videos / name).write_bytes(clip.read_bytes())
    (videos / "circle.mp4").symlink_to("circle.mp4")
    for told in ("4 added, 0 were there already, 1 failed", "0 added, 4 were there already"):
        assert main(["library", "add", str(videos), "--out", str(lib), "--device", "cpu"]) <= 1
        assert told in capsys.readouterr().out
    library = Library(lib)
    paths = {str(videos / name) for name in (*names, "circle.mp4")}
    assert set(library.paths.values()) == paths
    rows = [(video, "Dog", "audio", 0.0, 1.0, 0.9) for video in library.paths if video != "circle"]
    write_tables(lib / "events-0001", {"events": (COLUMNS, rows)})
    moments = search(library, Query(label="Dog"))
    assert {moment.path for moment in moments} == paths - {str(videos / "circle.mp4")}
    assert all(clip.path for clip in cut_moments(moments, tmp_path / "cuts"))
    for form in ("json", "csv", "html", "m3u"):
        words = ["--to", form, "--out", str(tmp_path / "found")]
        assert main(["library", "search", str(lib), "Dog", *words]) == 0
        assert "%E9" in (tmp_path / "found").read_text() or form in {"json", "csv"}


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


@pytest.mark.slow
def test_a_library_is_scored_by_words(videos, tmp_path, capsys):
    """With random weights, which find something by chance; always the same."""
    from tiny_hub import make_clap, make_clip

    lib = tmp_path / "lib"
    clip, clap = make_clip(tmp_path / "clip"), make_clap(tmp_path / "clap")
    words = ["library", "add", str(videos), "--out", str(lib), "--workers", "1", "--for-words"]
    words += ["--model", "teachers", "--checkpoints", f"clip={clip}", f"clap={clap}"]
    assert main(words) == 1, capsys.readouterr().err
    library = Library(lib)
    texts = [f"thing {number}" for number in range(9)]
    asked = [word for text in texts for word in ("--text", text)]
    capsys.readouterr()
    assert main(["library", "score", str(lib), *asked]) == 0, capsys.readouterr().err
    assert "scored by words (thing 0, thing 1, " in capsys.readouterr().out
    assert library.description.text == tuple(texts)
    found = {label for (label,) in select(library, "SELECT DISTINCT label FROM events")[1]}
    assert found
    assert found <= set(texts)
    assert main(["library", "search", str(lib), min(found), "--to", "json"]) == 0
    other = make_clip(tmp_path / "other", seed=1)
    again = ["library", "score", str(lib), "--text", "rain", "--checkpoints"]
    assert main([*again, f"clip={other}", f"clap={clap}"]) == 2
    assert "features `clip` of the same checkpoint" in capsys.readouterr().err
    assert library.description.text == tuple(texts), "as before"
    assert main(["library", "score", str(lib), "--vocabulary", "llp"]) == 0
    assert main(["library", "add", str(videos), "--out", str(lib), "--workers", "1"]) == 1


def write_store(folder: Path, seconds: dict[str, dict[str, np.ndarray]]) -> None:
    """A store with these features, of the open backbones' names and widths."""
    provenance = Provenance(
        streams={
            "yamnet": stream(Modality.AUDIO, 8),
            "efficientnet_lite0": stream(Modality.VISUAL, 6),
        }
    )
    with StoreWriter(folder, provenance) as writer:
        for video, features in seconds.items():
            length = max(map(len, features.values()))
            writer.add(video, Extracted(duration=float(length), features=features))


def stream(modality: Modality, dim: int) -> StreamProvenance:
    return StreamProvenance(
        modality=modality, dim=dim, frames_per_segment=0, frame_size=(0, 0), weights_sha256=""
    )


@pytest.fixture
def felt(library) -> tuple[Library, dict[str, dict[str, np.ndarray]]]:
    """The library with random features: `a` and `b` complete, `c` without pictures."""
    rng = np.random.default_rng(0)
    features = {
        name: {
            stream: rng.standard_normal((12, width)).astype(np.float32)
            for stream, width in (("yamnet", 8), ("efficientnet_lite0", 6))
            if name[0] != "c" or stream == "yamnet"
        }
        for name in ("a", "b", 'c\'s "clip"')
    }
    write_store(library.folder / "store", features)
    return library, features


class TestExamples:
    def test_the_most_similar_seconds_are_those_of_a_plain_comparison(self, felt):
        library, features = felt
        example = Example.parse("a@2-4")
        found = find_similar(library, example, limit=30)
        assert found.num_seconds == 36
        plain = {}
        wanted = {}
        for name, rows in features["a"].items():
            unit = rows[2:4] / np.linalg.norm(rows[2:4], axis=1, keepdims=True)
            wanted[name] = unit.mean(axis=0) / np.linalg.norm(unit.mean(axis=0))
        for video, streams in features.items():
            for second in range(12):
                cosines = [
                    rows[second] @ wanted[name] / np.linalg.norm(rows[second])
                    for name, rows in streams.items()
                ]
                plain[video, second] = sum(cosines) / 2
        best = max((key for key in plain if key not in {("a", 2), ("a", 3)}), key=plain.get)
        first = found.moments[0]
        assert first.video == best[0]
        assert first.start <= best[1] < first.end
        assert first.score == pytest.approx(plain[best], abs=1e-5)
        assert not any(m.video == "a" and m.start < 4 and m.end > 2 for m in found.moments)
        scores = [moment.score for moment in found.moments]
        assert scores == sorted(scores, reverse=True)
        assert sum(m.end - m.start for m in found.moments) == 34

    def test_what_is_the_same_is_found_in_one_piece(self, felt):
        library, features = felt
        for name in ("yamnet", "efficientnet_lite0"):
            features["b"][name][5:8] = features["a"][name][3]
        write_store(library.folder / "other", features)
        (library.folder / "store").rename(library.folder / "old")
        (library.folder / "other").rename(library.folder / "store")
        (moment,) = find_similar(Library(library.folder), Example.parse("a@3-4"), limit=1).moments
        assert (moment.video, moment.start, moment.end) == ("b", 5.0, 8.0)
        assert moment.score == pytest.approx(1.0, abs=1e-5)
        assert moment.path.endswith("b 1.mp4")

    def test_among_the_events_of_a_question(self, felt, capsys):
        library, _ = felt
        words = ["library", "search", str(library.folder), "singing", "--like", "a@2-4"]
        assert main([*words, "--to", "json", "--limit", "50"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert {moment["video"] for moment in found} == {"a", 'c\'s "clip"'}
        assert all(moment["start"] >= 9 for moment in found if moment["video"] == "a")
        assert all(moment["end"] <= 10 for moment in found if moment["video"] != "a")

    def test_mistakes(self, felt, tmp_path, capsys):
        library, _ = felt
        for example, message in {
            "a@4-4": "ends after it begins",
            "a@40-44": "begins after the end",
            "nothing@1-2": "which is neither",
        }.items():
            assert main(["library", "search", str(library.folder), "--like", example]) == 2
            assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Twelve seconds whose pictures tell their number."""
    path = tmp_path_factory.mktemp("cut") / "b 1.mp4"
    sound = media_files.tone(440.0, 12.0)
    return media_files.write_media(path, media_files.steady(120), sound)


class TestCuts:
    @pytest.mark.slow
    def test_copies_begin_at_key_frames(self, clip, tmp_path):
        moment = Moment("../b:1", str(clip), 5.0, 7.0, "Car_engine", "visual", 0.9)
        lost = moment._replace(path=str(tmp_path / "gone.mp4"))
        unknown = moment._replace(path="")
        cut, *failed = cut_moments([moment, lost, unknown], tmp_path / "clips")
        assert cut.is_copy
        with av.open(str(clip)) as container:
            packets = [p for p in container.demux(video=0) if p.is_keyframe and p.size]
        keys = [float(packet.pts * packet.time_base) for packet in packets]
        assert cut.begin == pytest.approx(max(key for key in keys if key <= 5.0), abs=1e-3)
        assert cut.path == tmp_path / "clips" / "001 .._b_1 5-7 Car engine.mp4"
        assert "does not exist" in failed[0].failure
        assert "not known" in failed[1].failure
        assert [path.name for path in (tmp_path / "clips").iterdir()] == [cut.path.name]
        reader = SegmentReader(cut.path)
        segments = [*reader]
        assert reader.duration == pytest.approx(
            7.0 - cut.begin, abs=0.4
        )  # Some frames are reordered.
        first = media_files.number_of(segments[0].frames[0])
        assert first == round(10 * (cut.begin + 0.25) - 0.5) % 32
        assert np.abs(segments[1].waveform).max() == pytest.approx(0.5, abs=0.05)

    def test_what_cannot_be_copied_is_encoded(self, clip, tmp_path):
        path = tmp_path / "out"
        with path.open("w+b") as file:
            suffix, begin = cut(MediaFile(path=clip), file.fileno(), 5.0, 7.0, copies=False)
        assert (suffix, begin) == (".mp4", 5.0)
        reader = SegmentReader(path)
        assert len([*reader]) == 2
        with path.open("w+b") as file, pytest.raises(UserError, match="got none there"):
            cut(MediaFile(path=clip), file.fileno(), 50.0, 51.0)

    @pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
    def test_a_full_disk_ends_it(self, clip, tmp_path):
        """No other clip is tried, and nothing is left."""
        moments = [
            Moment("v", str(clip), start, start + 1, "Dog", "audio", 0.9) for start in (2, 4)
        ]
        (tmp_path / f".{os.getpid()}-1.tmp").symlink_to("/dev/full")
        with pytest.raises(UserError, match="the disk is full"):
            list(cut_moments(moments, tmp_path))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_command(self, library, clip, tmp_path, capsys):
        videos = tmp_path / "videos"
        videos.mkdir()
        (videos / clip.name).write_bytes(clip.read_bytes())
        words = ["library", "search", str(library.folder), "--without", "Singing", "--cut"]
        assert main([*words, str(tmp_path / "clips")]) == 0
        shown = capsys.readouterr().out
        assert "2 clips cut, 0 failed; copies begin at key frames, up to 2.0 s before" in shown
        assert main([*words, str(tmp_path / "more"), "--also", "Dog"]) == 0
        (videos / clip.name).write_bytes(b"no video")
        assert main([*words, str(tmp_path / "clips")]) == 1
        assert "0 clips cut, 2 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "label", "near"),
    [
        ('"A within 5 s of B"', "A within 5 s of B", None),
        ('"A within 5 s of B" within 2 s of C', "A within 5 s of B", "C"),
        ('C within 2 s of "A within 5 s of B"', "C", "A within 5 s of B"),
        ('"A" within 2 s of "B"', "A", "B"),
        ('"a ""quoted"" label"', 'a "quoted" label', None),
        ('a "quoted" label', 'a "quoted" label', None),
        ('"half', '"half', None),
    ],
)
def test_a_label_in_quotes_is_one_label(text, label, near):
    query = Query.parse(text)
    assert (query.label, query.near) == (label, near)


def test_a_label_that_reads_like_a_question_is_found(tmp_path):
    found = Library(tmp_path / "lib")
    found.create()
    rows = [("a", "Dog within 5 s of Cat", "audio", 1.0, 4.0, 0.9)]
    tables = {"events": (COLUMNS, rows), "videos": (("video", "duration"), [("a", 12.0)])}
    write_tables(tmp_path / "lib" / "events-0001", tables)
    write_tables(tmp_path / "lib" / "paths", {"part": (("video", "path"), [("a", "/a.mp4")])})
    assert times(found, '"dog within 5 s of cat"') == [("a", *rows[0][1:4])]
    with pytest.raises(UserError, match="nothing in the library is called 'Dog'"):
        times(found, "Dog within 5 s of Cat")

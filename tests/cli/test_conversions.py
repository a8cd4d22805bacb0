"""`render` turns what it reads into all that it writes, and overwrites no corrections."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kept_by_formats import ANNOTATIONS, is_refused, kept
from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.formats.edl import to_edl
from mmpyramid.media import probe
from mmpyramid.render import FORMATS, PICTURES, encode, read_timeline

TIMELINE = Timeline(
    events=(
        Event(1.0, 4.0, "Dog", Modality.AUDIO, 0.81),
        Event(2.0, 3.0, "Speech", Modality.AUDIO, 0.5),
        Event(2.5, 9.0, "Dog", Modality.AUDIO_VISUAL, 0.75),
    ),
    duration=10.0,
    labels=("Speech", "Dog", "Cat"),
    source="clip.mp4",
    model="teachers",
    frame_rate="24",
)
BLOCKED = """
import sys
sys.modules["pympi"] = None
from mmpyramid.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def original(tmp_path) -> Path:
    TIMELINE.save(tmp_path / "clip.json")
    return tmp_path / "clip.json"


@pytest.mark.slow
@pytest.mark.parametrize("given", ANNOTATIONS)
def test_any_format_becomes_any_other(given, run, tmp_path):
    path = tmp_path / f"clip.{given}"
    path.write_bytes(encode(TIMELINE, given))
    for to in FORMATS.keys() - (PICTURES if given != "json" else ()):
        out = tmp_path / "out" / f"clip.{to}"
        if is_refused(to, TIMELINE):
            assert run("render", path, "--to", to, "--out", out) == 2
            continue
        rate = ("--fps", "24") if FORMATS[to].counts_frames else ()
        assert run("render", path, "--to", to, "--out", out, *rate) == 0
        if to in ANNOTATIONS:
            assert read_timeline(out).events == kept(to, kept(given, TIMELINE)).events
        assert out.stat().st_size > 0


@pytest.mark.parametrize("given", ANNOTATIONS)
def test_corrections_come_back_with_all_that_the_original_knew(given, original, run, tmp_path):
    first, *others = TIMELINE.events
    corrected = replace(TIMELINE, events=(replace(first, label="Cat", end=5.0), *others))
    path = tmp_path / "by hand" / f"clip.{given}"
    path.parent.mkdir()
    path.write_bytes(encode(corrected, given))
    out = tmp_path / "corrected.json"
    assert run("render", path, "--to", "json", "--original", original, "--out", out) == 0
    assert Timeline.load(out) == kept(given, corrected)


def test_the_file_lies_beside_with_another_suffix(original, run, capsys):
    assert run("render", original, "--to", "labels.txt") == 0
    labels = original.with_name("clip.labels.txt")
    assert capsys.readouterr().out.strip() == str(labels)
    assert run("render", labels, "--to", "srt") == 0
    assert original.with_name("clip.srt").is_file()


@pytest.mark.parametrize("to", ANNOTATIONS)
def test_annotations_are_not_overwritten_unless_named(to, original, run, capsys):
    beside = original.with_name(f"clip.{to}")
    beside.write_text("corrected by hand")
    assert run("render", original, "--to", to) == 2
    assert "is there already" in capsys.readouterr().err or to == "json"
    assert beside.read_text() == "corrected by hand"


def test_a_view_of_the_terminal_is_written_again(original, run):
    assert run("render", original, "--to", "txt") == run("render", original, "--to", "txt") == 0


@pytest.mark.parametrize("track", ["1.0\t4.0\tDog\n", "2.0\t2.0\ta point\n"])
def test_a_label_track_is_not_overwritten_by_a_view(track, original, run, capsys):
    labels = original.with_name("clip.txt")
    labels.write_text(track)
    assert run("render", original, "--to", "txt") == 2
    assert "clip.txt is there already" in capsys.readouterr().err
    assert labels.read_text() == track


@pytest.mark.parametrize("others", [(), ("other.json",)])
def test_what_is_read_is_not_overwritten_even_if_named(others, original, run, capsys):
    before = original.read_text()
    paths = [original.with_name(name) for name in others]
    for path in paths:
        path.write_text(before)
    assert run("render", *paths, original, "--to", "html", "--out", original) == 2
    assert "another file to write" in capsys.readouterr().err
    assert original.read_text() == before


def test_a_mistake_names_file_line_and_remedy(original, run, capsys):
    table = original.with_name("mine.csv")
    table.write_text("label,modality,start,end\nDgo,audio,1,2\n")
    assert run("render", table, "--to", "json", "--original", original) == 2
    message = capsys.readouterr().err
    assert "mine.csv: expected a label that the original timeline lists" in message
    assert "did you mean 'Dog'?" in message
    assert len(message.splitlines()) == 1


def test_a_full_disk_leaves_the_file_that_was_there(original, tmp_path):
    alone = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("needs the right to mount a small disk in a namespace of its own")
    (tmp_path / "big.mp4").write_bytes(bytes(2_000_000))
    (disk := tmp_path / "disk").mkdir()
    script = (
        'mount -t tmpfs -o size=1m none "$2" && echo before > "$2/page.html" && '
        '"$0" -m mmpyramid render "$1" --to html --video "$3" --embed --out "$2/page.html"; '
        'echo "code $?" && ls "$2" && cat "$2/page.html"'
    )
    words = [sys.executable, str(original), str(disk), str(tmp_path / "big.mp4")]
    done = subprocess.run([*alone, "sh", "-c", script, *words], capture_output=True, text=True)
    assert "mmpyramid render: the disk is full" in done.stderr
    assert done.stdout.splitlines() == ["code 2", "page.html", "before"]


@pytest.mark.slow
def test_a_file_that_is_no_plain_one_is_written_to(original):
    words = ["render", original, "--to", "csv", "--out", "/dev/stdout"]
    done = subprocess.run(
        [sys.executable, "-m", "mmpyramid", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout == encode(TIMELINE, "csv").decode()


def test_a_video_is_linked_by_its_address(original, run, tmp_path):
    address = "https://media.example/my%20clip.mp4"
    words = ("render", original, "--video", address)
    for name in ("labelstudio.json", "otio", "fcpxml", "mmif"):
        rate = ("--fps", "24") if FORMATS[name].counts_frames else ()
        assert run(*words, *rate, "--to", name, "--out", tmp_path / name) == 0
        assert address in (tmp_path / name).read_text()


@pytest.mark.parametrize(
    ("to", "flags", "told"),
    [
        ("csv", ["--video", "clip.mp4"], "leave it out for csv"),
        ("otio", ["--video", "gone.mp4"], "there is no video gone.mp4"),
        ("csv", ["--embed"], "--embed applies to the page (html)"),
        ("csv", ["--fps", "25"], "--fps applies to one timeline in boris, edl,"),
        ("edl", ["--video", "https://media.example/clip.mp4"], "give the rate by --fps"),
        ("edl", ["--video", "clip.mp4", "--fps", "25"], "expected --fps or --video, got both"),
        ("csv", ["--names", "truth"], "--names applies to comparisons"),
        ("csv", ["--unit-weights", "--raw"], "--raw applies to the tables of one timeline's"),
    ],
)
def test_a_flag_that_would_do_nothing_is_told(to, flags, told, original, run, capsys):
    assert run("render", original, "--to", to, *flags) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "told"),
    [(["--raw"], "--raw applies to the tables"), (["--fps", "25"], "--fps applies to one")],
)
def test_a_comparison_refuses_flags_of_one_timeline(flags, told, original, run, tmp_path, capsys):
    TIMELINE.save(tmp_path / "other.json")
    assert run("render", original, tmp_path / "other.json", "--to", "html", *flags) == 2
    assert told in capsys.readouterr().err


def test_frames_are_counted_of_the_video_that_is_given(run, tmp_path, clip):
    replace(TIMELINE, frame_rate="50").save(tmp_path / "clip.json")
    out = tmp_path / "clip.edl"
    assert run("render", tmp_path / "clip.json", "--to", "edl", "--video", clip, "--out", out) == 0
    assert out.read_text() == to_edl(replace(TIMELINE, frame_rate=probe(clip).nominal_rate))


@pytest.mark.slow
def test_without_pympi_the_extra_is_named_before_a_video_is_parsed(original):
    command = [sys.executable, "-c", BLOCKED, "parse", "gone.mp4", "--formats", "json,eaf"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install -e '.[elan]'" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("others", [0, 1], ids=["alone", "compared"])
def test_a_page_gets_no_file_that_a_timeline_calls_its_video(
    others, run, tmp_path, monkeypatch, capsys, clip
):
    """Nor by a link whose name says that any bytes are sound (A-law)."""
    monkeypatch.chdir(tmp_path)
    secret, page = Path("home/.ssh/id_canary"), Path("page.html")
    secret.parent.mkdir(parents=True)
    secret.write_text("private" * 1000)
    Path("clip.al").symlink_to(secret)
    words = (*[f"{n}.json" for n in range(others + 1)], "--to", "html", "--embed", "--out", page)

    def embed(source: str) -> int:
        for n in range(others + 1):
            replace(TIMELINE, source=source).save(f"{n}.json")
        return run("render", *words)

    for source in (f"./{secret}", "clip.al"):
        assert embed(source) == 2, source
        assert "which is not a video or sound file" in capsys.readouterr().err
        assert not page.exists()
    assert embed(str(clip)) == 0
    assert "data:video/mp4" in page.read_text()


@pytest.mark.parametrize(("source", "warned"), [("hour.mp4", True), ("folder/clip.mkv", False)])
def test_timelines_of_different_videos_are_compared_with_a_warning(
    source, warned, original, run, tmp_path, capsys
):
    replace(TIMELINE, source=source).save(tmp_path / "other.json")
    assert run("render", original, tmp_path / "other.json", "--to", "html") == 0
    assert ("different videos (clip, hour)" in capsys.readouterr().err) == warned

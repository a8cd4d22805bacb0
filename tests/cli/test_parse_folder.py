"""`mmpyramid parse FOLDER`: all that is in it, once, with a page that lists it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import media_files
from mmpyramid.cli._folders import Folders
from mmpyramid.cli.parse import output_names


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three clips of one second, two of one name; a text and a broken file beside them."""
    made = tmp_path_factory.mktemp("videos")
    (made / "sub").mkdir()
    for name in ("b.mp4", "sub/b.mp4", "a clip.mkv"):
        media_files.write_media(made / name, media_files.steady(10), media_files.tone(440.0, 1.0))
    (made / "list.txt").write_text("b.mp4\n")
    (made / "bad.mp4").write_bytes(b"no video" * 100)
    return made


def test_names_keep_the_folders(tmp_path):
    inside = {
        tmp_path / "x" / "a.mp4": "a.mp4",
        tmp_path / "x" / "s" / "a.mp4": "s/a.mp4",
        tmp_path / "x" / "s" / "a.wav": "s/a.wav",
    }
    inside = {video: type(tmp_path)(path) for video, path in inside.items()}
    assert [*output_names([*inside], inside).values()] == ["a", "s/a.mp4", "s/a.wav"]


def test_a_video_called_index_leaves_its_name_to_the_page_of_all(tmp_path):
    video = tmp_path / "index.mp4"
    assert output_names([video], {video: type(video)("index.mp4")}) == {video: "index.mp4"}
    assert output_names([video]) == {video: "index"}


def test_what_comes_after_a_line_that_was_cut_off_is_remembered(folder, tmp_path):
    journal = tmp_path / "parsed.jsonl"
    journal.write_bytes(b'{"video": "cut o')
    for is_known in (False, True):
        found = Folders.search([folder])
        found.open(tmp_path, ())
        assert all(found.is_done(video, []) == is_known for video in found.videos)
        for video in found.videos:
            found.note(video)


def test_a_page_of_earlier_settings_is_not_taken_for_one_of_these(folder, run, tmp_path):
    words = ("parse", folder / "sub", "--out", tmp_path)
    assert run(*words) == 0
    earlier = (tmp_path / "b.html").read_bytes()
    words = (*words, "--sensitivity", "0.9")
    assert run(*words, "--formats", "json") == 0
    assert run(*words) == 0
    assert (tmp_path / "b.html").read_bytes() != earlier


@pytest.mark.network
@pytest.mark.slow
def test_a_folder_is_parsed_once(folder, open_model, run, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("parse", folder, "--model", open_model, "--out", out, "--device", "cpu")
    assert run(*words) == 1
    shown = capsys.readouterr()
    assert "3 parsed, 1 failed\nleft out: text: 1 (list.txt)\n" in shown.out
    assert re.search(r"^sub/b  0:01  ", shown.out, re.MULTILINE)
    assert "bad.mp4" in shown.err
    pages = {str(path.relative_to(out)) for path in out.rglob("*.html")}
    assert pages == {"index.html", "a clip.html", "b.html", "sub/b.html"}
    index = (out / "index.html").read_text()
    assert 'href="sub/b.html"' in index
    assert 'href="a%20clip.html"' in index
    assert 'src="thumbnails/sub/b.jpg"' in index
    assert "truth" not in index.partition("<body>")[2].partition("<script>")[0]
    assert "not parsed: 1 (bad.mp4); text: 1 (list.txt)" in index

    written = (out / "b.json").stat().st_mtime_ns
    (out / "sub" / "b.json").unlink()
    with (out / "parsed.jsonl").open("ab") as journal:
        journal.write(b'{"video": "cut o')
    assert run(*words) == 1
    assert "1 parsed, 2 were parsed already, 1 failed" in capsys.readouterr().out
    assert (out / "b.json").stat().st_mtime_ns == written

    (out / "b.json").write_bytes(b"\xff\xfe")
    assert run(*words) == 2
    message = capsys.readouterr().err
    assert str(out / "b.json") in message
    assert "Traceback" not in message

    assert run(*words, "--threshold", "0.4") == 1, "other settings give other timelines"
    assert "3 parsed, 1 failed" in capsys.readouterr().out
    assert run(*words, "--threshold", "0.4", "--embed") == 1, "and so do pages with their videos"
    assert "3 parsed, 1 failed" in capsys.readouterr().out
    assert "data:video/mp4" in (out / "b.html").read_text()
    os.utime(open_model / "config.json")
    assert run(*words, "--threshold", "0.4", "--embed") == 1, "and a network that was trained anew"
    assert "3 parsed, 1 failed" in capsys.readouterr().out


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_what_lies_in_folders_of_many_years(folder, open_model, run, tmp_path, capsys):
    """Names of any bytes, links to nothing and in circles, pipes, names too long for results."""
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    names = [b"caf\xe9.mp4", b"new\nline.mp4", b"100%25 #1?.mp4", b"-o.mp4", b"x" * 251 + b".mp4"]
    for name in names:
        shutil.copy(folder / "b.mp4", videos / os.fsdecode(name))
    for name, target in (("gone.mp4", "nowhere"), ("circle.mp4", "circle.mp4"), ("old", "nowhere")):
        (videos / name).symlink_to(target)
    (videos / "zero.mp4").symlink_to("/dev/zero")
    os.mkfifo(videos / "pipe.mp4")
    words = ("parse", videos, "--model", open_model, "--out", out, "--device", "cpu")
    for told in ("4 parsed, 3 failed", "0 parsed, 4 were parsed already, 3 failed"):
        assert run(*words) == 1
        shown = capsys.readouterr()
        assert told in shown.out
        assert "pipes and devices: 2 (pipe.mp4, zero.mp4)" in shown.out
        assert "No such file or directory: 1 (old)" in shown.out
        assert "Traceback" not in shown.err
        for name in ("gone.mp4", "circle.mp4", "255 bytes"):
            assert name in shown.err
    index = (out / "index.html").read_text()
    for link in ("caf%E9.html", "new%0Aline.html", "100%2525%20%231%3F.html", "-o.html"):
        assert f'href="{link}"' in index
    page = (out / os.fsdecode(b"caf\xe9.html")).read_text()
    assert 'src="../videos/caf%E9.mp4"' in page


@pytest.mark.network
@pytest.mark.slow
def test_a_killed_run_of_two_workers_goes_on_to_the_bytes_of_one(
    folder, open_model, run, tmp_path, capsys
):
    outs = {workers: tmp_path / "lists" / f"of{workers}" for workers in (1, 2)}
    words = ["parse", str(folder), "--model", str(open_model), "--device", "cpu"]
    assert run(*words, "--out", outs[1], "--workers", 1) == 1
    two = [*words, "--out", str(outs[2]), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mmpyramid", *two],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journal, deadline = outs[2] / "parsed.jsonl", time.monotonic() + 120
    while (
        not (journal.exists() and b"\n" in journal.read_bytes())
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = journal.read_bytes().count(b"\n")
    assert done > 0
    capsys.readouterr()
    assert run(*two) == 1
    shown = capsys.readouterr()
    already = f", {done} were parsed already"
    assert f"{3 - done} parsed{already}, 1 failed" in shown.out
    assert shown.err.count("bad.mp4") == 1
    written = [
        {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.*")
         if path.suffix in {".json", ".html"}}
        for out in outs.values()
    ]  # fmt: skip
    assert len(written[0]) == 7
    assert written[0] == written[1]


def test_no_workers_are_a_mistake(clip, run, tmp_path, capsys):
    assert run("parse", clip, "--workers", 0, "--out", tmp_path / "out") == 2
    assert "--workers of at least 1, got 0" in capsys.readouterr().err


def test_an_empty_folder_is_a_mistake(run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("parse", tmp_path / "empty", "--out", tmp_path / "out") == 2
    assert "places without video or sound files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x80 = 1"])
def test_a_vocabulary_of_any_bytes_is_a_mistake_of_one_paragraph(
    folder, run, tmp_path, capsys, content
):
    vocabulary = tmp_path / "mine.toml"
    vocabulary.write_bytes(content)
    assert run("parse", folder, "--vocabulary", vocabulary, "--out", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert "mine.toml" in message
    assert "Traceback" not in message

"""What `parse` and `extract` read: pipes, one of several tracks, all videos of a folder."""

import io
import os
import shutil
import sys
from threading import Thread

import pytest

from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader, probe, source

EXTRACT = ("--streams", "efficientnet_lite0", "--workers", "1")


@pytest.fixture
def pipe(tmp_path, clip):
    """A named pipe through which a clip comes, as from `<(cat clip.mp4)`."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    Thread(target=lambda: path.write_bytes(clip.read_bytes()), daemon=True).start()
    return path


class Bytes(io.TextIOWrapper):
    """A standard input with these bytes in it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


def test_a_pipe_is_read_as_a_file(pipe, clip):
    with source.regular_file(pipe) as path:
        assert probe(path).video_codec == probe(clip).video_codec
        assert len(list(SegmentReader(path))) == len(list(SegmentReader(clip)))
    assert not path.exists()
    with source.regular_file(clip) as path:
        assert path == clip


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the copy has a name")
def test_the_copy_of_a_pipe_has_no_name_that_stays_if_the_process_is_killed(
    pipe, tmp_path, monkeypatch
):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with source.regular_file(pipe) as path:
        assert probe(path).has_video
        assert not list((tmp_path / "temporary").iterdir())


def test_a_pipe_without_end_or_with_nothing_in_it_is_told(pipe, monkeypatch):
    monkeypatch.setattr(source, "MAX_PIPED_BYTES", 1000)
    with pytest.raises(UserError, match=r"through a pipe, but more comes from .*/pipe"):
        source.regular_file(pipe).__enter__()
    monkeypatch.setattr("sys.stdin", Bytes(b""))
    with pytest.raises(UserError, match="nothing came from standard input"):
        source.regular_file(source.STANDARD_INPUT).__enter__()


def test_other_doors_say_that_it_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a pipe or a device"):
        probe(tmp_path / "pipe")


@pytest.mark.slow
@pytest.mark.network
def test_parse_reads_standard_input_and_pipes(
    pipe, clip, open_model, run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("sys.stdin", Bytes(clip.read_bytes()))
    words = ("--model", open_model, "--out", tmp_path / "out", "--device", "cpu")
    assert run("parse", "-", pipe, clip, *words) == 0
    names = {"stdin": "standard input", "pipe": str(pipe), "clip": str(clip)}
    timelines = {name: Timeline.load(tmp_path / "out" / f"{name}.json") for name in names}
    assert {name: timeline.source for name, timeline in timelines.items()} == names
    assert len({timeline.duration for timeline in timelines.values()}) == 1
    assert "<video" not in (tmp_path / "out" / "stdin.html").read_text()
    monkeypatch.setattr("sys.stdin", Bytes(clip.read_bytes()))
    assert run("parse", "-", *words, "--embed") == 0
    assert "<video" in (tmp_path / "out" / "stdin.html").read_text()
    monkeypatch.setattr("sys.stdin", Bytes(b"no media" * 1000))
    assert run("parse", "-", *words) == 2
    assert "cannot open standard input" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.network
def test_flags_choose_tracks(clip, open_model, run, tmp_path, capsys):
    words = ("--model", open_model, "--out", tmp_path / "out", "--device", "cpu")
    assert run("parse", clip, *words, "--audio-track", "1", "--video-track", "1") == 0
    for flags, part in (
        (("--audio-track", "7"), "--audio-track of a track that is there, got 7"),
        (("--video-track", "2"), "--video-track of a track that is there, got 2"),
        (("--audio-track", "x"), "--audio-track of a number or `all`, got 'x'"),
        (("--audio-track", "0"), "--audio-track of 1 or more, got 0"),
    ):
        assert run("parse", clip, *words, *flags) == 2
        assert part in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.network
def test_extract_tells_what_it_left_out(clip, run, tmp_path, capsys):
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(clip, folder / "00001.MTS")
    shutil.copy(clip, folder / "._00001.MTS")
    (folder / "notes.txt").write_text("a dog")
    assert run("extract", folder, "--out", tmp_path / "store", *EXTRACT) == 0
    shown = capsys.readouterr().out
    assert "1 extracted" in shown
    assert "left out: hidden: 1 (._00001.MTS); text: 1 (notes.txt)" in shown

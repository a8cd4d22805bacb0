"""Standard streams that are closed, full, or read by nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmpyramid.cli.parse import _report
from mmpyramid.core import Timeline

PROGRAM = f"{sys.executable} -m mmpyramid"


@pytest.fixture
def timeline(tmp_path):
    path = tmp_path / "clip.json"
    Timeline(events=(), duration=3.0, labels=("Dog",)).save(path)
    return path


def ended(line, folder):
    """The exit code and the standard error of a command line of a shell."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_in_nobodys_way(closed, timeline, tmp_path):
    assert ended(f"{PROGRAM} info {timeline} {closed}", tmp_path) == (0, "")


@pytest.mark.slow
def test_what_is_written_never_goes_into_a_file_instead(timeline, tmp_path):
    """The next file that is opened would be number 1."""
    line = f"{PROGRAM} render {timeline} --to md --out clip.md <&- >&- 2>&-"
    assert ended(line, tmp_path) == (0, "")
    assert ended(f"{PROGRAM} render {timeline} --to md --out again.md", tmp_path)[0] == 0
    assert (tmp_path / "clip.md").read_bytes() == (tmp_path / "again.md").read_bytes()


@pytest.mark.slow
def test_nothing_comes_from_a_closed_input(tmp_path):
    code, told = ended(f"{PROGRAM} parse - --out out <&-", tmp_path)
    assert code == 2
    assert "nothing came from standard input" in told


@pytest.mark.parametrize("words", ["--help", "info {timeline}", "store --help", "parse --help"])
def test_output_that_nobody_reads_ends_quietly(words, timeline, tmp_path):
    line = f"{PROGRAM} {words.format(timeline=timeline)} | true; exit ${{PIPESTATUS[0]}}"
    assert ended(line, tmp_path) == (141, "")


def test_a_reader_that_has_gone_is_no_fault_of_the_video(monkeypatch, capsys):
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        _report(Path("clip.mp4"), BrokenPipeError("of the decoder"))
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            _report(Path("clip.mp4"), BrokenPipeError("of the terminal"))
    told = capsys.readouterr().err
    assert "of the decoder" in told
    assert "of the terminal" not in told


@pytest.mark.slow
@pytest.mark.parametrize("words", ["--help", "info {timeline}"])
def test_output_that_cannot_be_written_is_told(words, timeline, tmp_path):
    code, told = ended(f"{PROGRAM} {words.format(timeline=timeline)} > /dev/full", tmp_path)
    assert code == 2
    assert "No space left on device" in told
    assert len(told.splitlines()) == 1
    assert ended(f"{PROGRAM} info absent.json 2> /dev/full", tmp_path) == (2, "")

"""Files appear whole or not at all, and what cannot be written is told before the work."""

import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import (
    check_output_file,
    check_output_folder,
    end_last_line,
    only_writer,
    write_durably,
)
from mmpyramid.problems.parsing.predictions import Predictions


@contextmanager
def full_disk(limit=2000):
    """As a full disk, files cannot grow beyond some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def save_timeline(path, size):
    Timeline(notes=("x" * size,)).save(path)


def save_predictions(path, size):
    values = np.random.default_rng(0).random((1, size // 8 + 1, 1))
    Predictions(ids=("a",), audio=values, visual=values, video=values[:, 0]).save(path)


def save_bytes(path, size):
    write_durably(path, b"x" * size)


@pytest.mark.parametrize("save", [save_timeline, save_predictions, save_bytes])
def test_a_full_disk_leaves_what_was_there(save, tmp_path):
    path = tmp_path / "file"
    save(path, 8)
    before = path.read_bytes()
    with full_disk(), pytest.raises(UserError, match=r"the disk is full .*file\)"):
        save(path, 100_000)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_followed_and_devices_written_to(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    write_durably(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_bytes() == b"x"
    read, write = os.pipe()
    write_durably(tmp_path.joinpath(f"/dev/fd/{write}"), b"through")
    assert os.read(read, 100) == b"through"


def test_what_was_written_to_an_open_file_stays(tmp_path):
    """As by `(one; other) > file` and `>> file`, which commands that rename would undo."""
    (tmp_path / "file").write_bytes(b"before\n")
    with (tmp_path / "file").open("ab") as file:
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        for name in (f"/dev/fd/{file.fileno()}", tmp_path / "link"):
            check_output_file(tmp_path / name)
            write_durably(tmp_path / name, b"more\n")
    assert (tmp_path / "file").read_bytes() == b"before\nmore\nmore\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_a_name_as_long_as_can_be_is_written(tmp_path):
    path = tmp_path / ("x" * 255)
    check_output_file(path)
    write_durably(path, b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x" * 256, "a name takes at most 255 bytes here, and one of these has 256"),
        ("é" * 128, "a name takes at most 255 bytes here, and one of these has 256"),
        ("new/" + "x" * 256 + "/clip.json", "at most 255 bytes"),
        ("folder", "it is a folder; give the name of a file"),
        ("file/clip.json", "file is not a folder"),
        ("file/new/clip.json", "file is not a folder"),
        ("dangling/clip.json", "dangling is not a folder"),
        ("a\0b", "a name cannot hold NUL"),
        ("/proc/clip.json", "cannot write /proc/clip.json"),
        ("/proc/new/clip.json", "cannot write /proc/new/clip.json"),
        ("/".join(["x" * 250] * 20), "a path takes at most 4000 bytes"),
    ],
)
def test_what_cannot_be_written_is_told(name, told, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=told):
        check_output_file(tmp_path / name)
    if name != "folder":
        with pytest.raises(UserError, match=told):
            check_output_folder(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_can_be_written_is_not_made_yet(tmp_path):
    check_output_file(tmp_path / "a" / "b" / "clip.json")
    check_output_folder(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
    check_output_file(tmp_path.joinpath("/dev/stdout"))


@pytest.mark.parametrize(
    ("before", "after"), [(b"", b""), (b"a\n", b"a\n"), (b"a\nb", b"a\nb\n"), (None, None)]
)
def test_what_is_appended_begins_a_line(tmp_path, before, after):
    path = tmp_path / "lines"
    if before is not None:
        path.write_bytes(before)
    end_last_line(path)
    assert (path.read_bytes() if path.exists() else None) == after


def test_one_writer_at_a_time_until_it_is_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from mmpyramid.core.files import only_writer\n"
        "with only_writer(Path(sys.argv[1])):\n    print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "in\n"
        told = pytest.raises(UserError, match=r"another process writes to .*run already")
        with told, only_writer(tmp_path / "run"):
            pass
        other.kill()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with only_writer(tmp_path / "run"):
                return
        except UserError:
            time.sleep(0.05)
    pytest.fail("the lock outlived its process")

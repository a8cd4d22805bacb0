"""Which files of folders are taken for videos."""

import io
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media_files import steady, tone, write_media
from mmpyramid.core.errors import UserError
from mmpyramid.extract.search import search_videos


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_media(tmp_path_factory.mktemp("film") / "a.mkv", steady(10), tone(440, 1))


def test_names_do_not_decide(film, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    names = ["00001.MTS", "x.m2ts", "deep/film.unknown", "deep/er/without"]
    for name in names:
        shutil.copy(film, tmp_path / name)
    write_media(tmp_path / "bird.aiff", sound=tone(440, 1), audio_codec="pcm_s16be")
    found = search_videos(tmp_path)
    assert sorted(found.paths) == ["00001", "bird", "film", "without", "x"]
    assert found.left_out == {}


def test_what_is_left_out_is_told_with_the_reason(film, tmp_path):
    shutil.copy(film, tmp_path / "good.mkv")
    shutil.copy(film, tmp_path / "._good.mkv")
    (tmp_path / ".trash").mkdir()
    shutil.copy(film, tmp_path / ".trash" / "old.mkv")
    (tmp_path / "good.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    (tmp_path / "code.ts").write_text("export const a = 'ä';\n" * 1000)
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\n{film}\n")
    (tmp_path / "nothing.xyz").write_bytes(b"")
    (tmp_path / "features.npy").write_bytes(np.random.default_rng(0).bytes(9000))
    picture = io.BytesIO()
    Image.new("RGB", (64, 48)).save(picture, "PNG")
    (tmp_path / "good.png").write_bytes(picture.getvalue())
    found = search_videos(tmp_path)
    assert found.paths == {"good": tmp_path / "good.mkv"}
    assert set(found.describe_left_out().split("; ")) == {
        "hidden: 2 (.trash, ._good.mkv)",
        "text: 3 (code.ts, good.srt, list.m3u8)",
        "empty: 1 (nothing.xyz)",
        "without sound or picture that can be read: 1 (features.npy)",
        "still pictures: 1 (good.png)",
    }


def test_linked_folders_are_searched_once(film, tmp_path):
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "place"
    elsewhere.mkdir()
    place.mkdir()
    shutil.copy(film, elsewhere / "b.mkv")
    for name in ("first", "second"):
        (place / name).symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(place)
    found = search_videos(place)
    assert found.paths == {"b": place / "first" / "b.mkv"}
    assert found.describe_left_out() == "folders that are linked to twice: 2 (second, circle)"


def test_a_file_that_crashes_who_looks_into_it_costs_that_file(film, tmp_path, monkeypatch):
    monkeypatch.setattr("mmpyramid.extract.search.answer_questions", _crash)
    shutil.copy(film, tmp_path / "a.unknown")
    shutil.copy(film, tmp_path / "b.mkv")
    found = search_videos(tmp_path)
    assert found.paths == {"b": tmp_path / "b.mkv"}
    assert "without sound or picture" in found.left_out[tmp_path / "a.unknown"]


def _crash(channel):
    import os

    channel.requests.get()
    os.abort()


NOBODY = 65534


@contextmanager
def as_nobody():
    """Without the rights of root, whom nothing is denied."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_folders_that_cannot_be_read_are_told(film, mode):
    """In no folder of pytest, which are for their owner only."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        locked = place / "locked"
        locked.mkdir()
        (place / "a.mp4").touch()
        (locked / "b.mp4").touch()
        locked.chmod(mode)
        try:
            with as_nobody():
                found = search_videos(place)
                if not mode:
                    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\): 1"):
                        search_videos(locked)
        finally:
            locked.chmod(0o755)
        assert place / "a.mp4" in found.files
        # Files of which only the names can be read are tried, and fail with the reason.
        assert (locked / "b.mp4" in found.files) == (mode != 0)
        assert found.left_out == ({} if mode else {locked: "Permission denied"})

"""Rot is found: wherever a bit of a store flips, reading says so."""

import random
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.core.seal import LENGTH, DamagedFileError, seal, unseal, verify
from mmpyramid.store import shard as shard_file
from mmpyramid.store.shard import note_unsealed
from mmpyramid.store.source import FeatureError, find_faults
from mmpyramid.store.store import FeatureStore
from store.tiny_store import add_all, add_and_stop, assert_same, video

OLD = Path(__file__).parents[1] / "old_files" / "store"
VIDEOS = {str(number): video(number) for number in range(4)}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    add_all(folder, VIDEOS)
    return folder


def flip(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def read_all(folder):
    opened = FeatureStore(folder)
    try:
        for video_id in VIDEOS:
            assert not list(find_faults(video_id, opened.load(video_id), opened.streams))
            opened.info(video_id)
    finally:
        opened.close()


def read_by_table(folder):
    opened = FeatureStore(folder)
    opened.table(list(VIDEOS), tuple(opened.streams)).read(range(len(VIDEOS)), 5)


@pytest.mark.parametrize(
    ("read", "num_flips"),
    [(read_by_table, 60), pytest.param(read_all, 300, marks=pytest.mark.slow)],
)
def test_no_flipped_bit_of_a_shard_is_silent(store, tmp_path, monkeypatch, read, num_flips):
    monkeypatch.setattr(shard_file, "VERIFIED_AT_ONCE", 0)  # As shards of many videos.
    random.seed(1)
    size = (store / "shard-00000.h5").stat().st_size
    shutil.copytree(store, tmp_path / "flipped")
    shard = tmp_path / "flipped" / "shard-00000.h5"
    places = [
        *range(size - LENGTH, size),
        *(random.randrange(size) for _ in range(num_flips - LENGTH)),
    ]
    for place in places:
        bit = random.randrange(8)
        flip(shard, place, bit)
        with pytest.raises(UserError):
            read(tmp_path / "flipped")
        flip(shard, place, bit)
    read(tmp_path / "flipped")


def test_a_shard_that_was_cut_off_is_found(store, tmp_path):
    shutil.copytree(store, tmp_path / "cut")
    shard = tmp_path / "cut" / "shard-00000.h5"
    content = shard.read_bytes()
    for size in (len(content) - 1, len(content) - LENGTH, len(content) // 2, 0):
        shard.write_bytes(content[:size])
        with pytest.raises(UserError):
            read_all(tmp_path / "cut")


def test_a_pending_video_that_rotted_is_done_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        add_and_stop(tmp_path, VIDEOS)
    (first, *_) = sorted((tmp_path / "pending").glob("*.h5"))
    flip(first, 5000, 3)
    add_all(tmp_path, {})
    (lost,) = VIDEOS.keys() - set(FeatureStore(tmp_path).ids)
    add_all(tmp_path, {lost: VIDEOS[lost]})
    assert_same(FeatureStore(tmp_path), VIDEOS)


def test_a_shard_without_a_checksum_is_read_with_a_note(tmp_path, caplog):
    shutil.copytree(OLD, tmp_path / "old")
    note_unsealed.cache_clear()
    for _ in range(2):
        assert_same(
            FeatureStore(tmp_path / "old"), {name: video(n) for n, name in enumerate("abc")}
        )
    (note,) = (r.message for r in caplog.records if "without checksums" in r.message)
    assert note.startswith(f"{tmp_path / 'old'} has features of an earlier version")


def test_a_file_is_compared_once_and_again_when_it_changed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(seal(bytes(50_000_000)))
    first, second = (timed(lambda: verify(path, sealed=True)) for _ in range(2))
    assert second < first / 10
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    with pytest.raises(DamagedFileError):
        verify(path, sealed=True)
    assert not verify(Path(__file__), sealed=False)


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize("content", [b"", b"x" * 10, seal(b"x")[:-1], b"y" + seal(b"x")])
def test_what_is_not_sealed_is_not_unsealed(content):
    with pytest.raises(DamagedFileError):
        unseal(content)


@pytest.mark.parametrize(
    "damage",
    {
        "longer": lambda file: file["offsets/sound"].write_direct(np.array([0, 5, 10, 15, 21])),
        "backwards": lambda file: file["offsets/sound"].write_direct(np.array([0, 5, 3, 15, 20])),
        "link": lambda file: put(file, "rows/sound", h5py.ExternalLink("/etc/passwd", "/")),
        "soft link": lambda file: put(file, "rows/sound", h5py.SoftLink("/rows/picture")),
        "group": lambda file: put(file, "rows/sound", None),
        "doubles": lambda file: put(file, "rows/sound", np.zeros((20, 4))),
        "streams": lambda file: file.__delitem__("offsets/sound"),
        "no list": lambda file: put(file, "videos", ["[]"] * 4),
        "no id": lambda file: put(file, "videos", ["{}"] * 4),
        "numbers": lambda file: put(file, "videos", np.zeros(4)),
        "endless": lambda file: put(
            file, "videos", ['{"id": "a", "duration": 1e300, "missing": [], "notes": []}'] * 4
        ),
        "deep": lambda file: put(file, "videos", ["[" * 100_000] * 4),
        "elsewhere": lambda file: put_elsewhere(file, "rows/sound"),
    }.items(),
    ids=lambda named: named[0],
)
def test_a_shard_of_another_form_is_told(store, tmp_path, damage):
    shutil.copytree(store, tmp_path / "other")
    with h5py.File(tmp_path / "other" / "shard-00000.h5", "r+") as file:
        del file.attrs["sealed"]
        damage[1](file)
    with pytest.raises(UserError, match=r"expected a file of features in .*shard-00000\.h5"):
        FeatureStore(tmp_path / "other")


def put(file, name, value):
    del file[name]
    if value is None:
        file.create_group(name)
    else:
        file[name] = value


def put_elsewhere(file, name):
    del file[name]
    file.create_dataset(name, (20, 4), "f4", external=[("/etc/passwd", 0, 320)])


def test_damage_is_reported_by_video(store, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_file, "VERIFIED_AT_ONCE", 0)
    shutil.copytree(store, tmp_path / "flipped")
    flip(tmp_path / "flipped" / "shard-00000.h5", 6000, 1)
    with pytest.raises(FeatureError, match=r"unreadable files: 1 .*checksum is another"):
        FeatureStore(tmp_path / "flipped").load("0")

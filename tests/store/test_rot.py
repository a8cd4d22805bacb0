"""Rot is found: wherever a bit of a store flips, reading says so."""

import json
import random
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xxhash

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import DamagedFileError, seal, verify
from mmpyramid.store.shard import END, MARK
from mmpyramid.store.source import FeatureError, find_faults
from mmpyramid.store.store import FeatureStore
from store.tiny_store import add_all, add_and_stop, assert_same, video

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
    for video_id in VIDEOS:
        assert not list(find_faults(video_id, opened.load(video_id), opened.streams))
        opened.info(video_id)


def read_by_table(folder):
    opened = FeatureStore(folder)
    opened.table(list(VIDEOS), tuple(opened.streams)).read(range(len(VIDEOS)), 5)


@pytest.mark.parametrize(
    ("read", "num_flips"),
    [(read_by_table, 120), pytest.param(read_all, 300, marks=pytest.mark.slow)],
)
def test_no_flipped_bit_of_a_shard_is_silent(store, tmp_path, read, num_flips):
    random.seed(1)
    shutil.copytree(store, tmp_path / "flipped")
    shard = tmp_path / "flipped" / "shard-00000.h5"
    size = shard.stat().st_size
    places = [*range(size - END.size, size)]
    places += [random.randrange(size) for _ in range(num_flips - END.size)]
    for place in places:
        bit = random.randrange(8)
        flip(shard, place, bit)
        with pytest.raises(UserError):
            read(tmp_path / "flipped")
        flip(shard, place, bit)
    read(tmp_path / "flipped")


def test_opening_a_store_reads_no_features_and_calls_no_hdf5(store, tmp_path, monkeypatch):
    shutil.copytree(store, tmp_path / "flipped")
    flip(tmp_path / "flipped" / "shard-00000.h5", 3000, 3)
    monkeypatch.setattr(h5py, "File", None)
    opened = FeatureStore(tmp_path / "flipped")
    assert sorted(opened.ids) == sorted(VIDEOS)
    with pytest.raises(UserError, match="checksum differs"):
        opened.load("0")
    read_all(store)


def test_other_programs_read_a_shard_as_hdf5(store):
    with h5py.File(store / "shard-00000.h5") as file:
        begins = file["offsets/sound"][:]
        second = file["rows/sound"][begins[1] : begins[2]]
        np.testing.assert_array_equal(second, VIDEOS["1"].features["sound"])
        assert json.loads(file["videos"].asstr()[1])["id"] == "1"


def test_a_shard_that_was_cut_off_is_found(store, tmp_path):
    shutil.copytree(store, tmp_path / "cut")
    shard = tmp_path / "cut" / "shard-00000.h5"
    content = shard.read_bytes()
    for size in (len(content) - 1, len(content) - END.size, len(content) // 2, 10, 0):
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


def test_a_file_is_compared_once_and_again_when_it_changed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(seal(bytes(50_000_000)))
    first, second = (timed(lambda: verify(path)) for _ in range(2))
    assert second < first / 10
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    with pytest.raises(DamagedFileError):
        verify(path)
    assert not verify(Path(__file__))


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_a_file_with_and_without_its_checksum(tmp_path):
    path = tmp_path / "file"
    for content in (b"", b"x" * 10, seal(b"x")[:-1]):
        path.write_bytes(content)
        assert not verify(path), content
    path.write_bytes(seal(b"x"))
    assert verify(path)
    path.write_bytes(b"y" + seal(b"x"))
    with pytest.raises(DamagedFileError):
        verify(path)


def change(*place, value):
    """Put a value into an index; None takes what is there away."""

    def do(index):
        for key in place[:-1]:
            index = index[key]
        if value is None:
            del index[place[-1]]
        else:
            index[place[-1]] = value

    return do


@pytest.mark.parametrize(
    "damage",
    {
        "longer": change("streams", "sound", "begins", value=[0, 5, 10, 15, 21]),
        "backwards": change("streams", "sound", "begins", value=[0, 5, 3, 15, 20]),
        "late": change("streams", "sound", "begins", value=[1, 5, 10, 15, 20]),
        "few": change("streams", "sound", "begins", value=[0, 20]),
        "none": change("streams", "sound", "begins", value=[]),
        "beyond": change("streams", "sound", "offset", value=10**6),
        "before": change("streams", "sound", "offset", value=-1),
        "negative": change("streams", "sound", "shape", value=[20, -4]),
        "flat": change("streams", "sound", "shape", value=[20]),
        "wide": change("streams", "sound", "shape", value=[20, 2**40]),
        "huge": change("streams", "sound", "shape", value=[20, 2**62]),
        "deep": change("streams", "sound", "shape", value=[20] + [1] * 10_000 + [4]),
        "empty": change("streams", "sound", "shape", value=[20, 0]),
        "no place": change("streams", "sound", "offset", value=None),
        "no list": change("videos", value={}),
        "no id": change("videos", 0, "id", value=None),
        "twice": change("videos", 0, "id", value="1"),
        "endless": change("videos", 0, "duration", value=1e300),
        "smell": change("videos", 0, "missing", value=["smell"]),
        "no streams": change("streams", value=None),
    }.items(),
    ids=lambda named: named[0],
)
def test_an_index_of_another_form_is_told(store, tmp_path, damage):
    """By whoever makes the checksums that belong to it."""
    shutil.copytree(store, tmp_path / "other")
    shard = tmp_path / "other" / "shard-00000.h5"
    content = shard.read_bytes()
    _, length, _, _ = END.unpack(content[-END.size :])
    image, text = content[: -END.size - length], content[-END.size - length : -END.size]
    index = json.loads(text)
    shard.write_bytes(with_index(image, index))
    read_all(tmp_path / "other")
    damage[1](index)
    shard.write_bytes(with_index(image, index))
    with pytest.raises(UserError, match=r"expected a file of features in .*shard-00000\.h5"):
        FeatureStore(tmp_path / "other")


def with_index(image, index):
    text = json.dumps(index).encode()
    end = END.pack(MARK, len(text), xxhash.xxh3_128_digest(text), bytes(16))[:-16]
    return image + text + end + xxhash.xxh3_128_digest(image + text + end)


def test_damage_is_reported_by_video(store, tmp_path):
    shutil.copytree(store, tmp_path / "flipped")
    flip(tmp_path / "flipped" / "shard-00000.h5", 3000, 1)
    with pytest.raises(FeatureError, match=r"unreadable files: 1 .*checksum differs"):
        FeatureStore(tmp_path / "flipped").load("0")

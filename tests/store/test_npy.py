"""The published layout, and loading many videos at once from it."""

import errno
import math
import os
import shutil
import time
from io import FileIO

import numpy as np
import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.store.mapped import packed_table
from mmpyramid.store.npy import NpyFolder, _read_array, read_features
from mmpyramid.store.source import FaultKind, FeatureError

SHAPES = {"vggish": (10, 128), "res152": (80, 2048), "r2plus1d_18": (10, 512)}
IDS = ("-_aaaaaaaa1", "BjCEufrlXm4", "7nSYwyaP4QE")


def save(folder, name, video_id, array):
    path = folder / "feats" / name / f"{video_id}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for video_id in IDS:
        for name, shape in SHAPES.items():
            save(tmp_path, name, video_id, rng.standard_normal(shape, np.float32))
    return tmp_path


def test_reads_the_folder_or_its_parent(folder):
    for place in (folder, folder / "feats"):
        features = NpyFolder(place).load(IDS[0])
        assert {name: array.shape for name, array in features.items()} == {
            "vggish": (10, 128),
            "resnet152": (10, 2048),
            "r2plus1d_18": (10, 512),
        }
        assert all(array.dtype == np.float32 for array in features.values())


def test_pooling_before_an_affine_map_equals_pooling_after_it(folder):
    frames = np.load(folder / "feats" / "res152" / f"{IDS[0]}.npy")
    weight = np.random.default_rng(1).standard_normal((2048, 4))
    after = (frames @ weight + 3).reshape(10, 8, 4).mean(1)
    before = NpyFolder(folder).load(IDS[0])["resnet152"] @ weight + 3
    np.testing.assert_allclose(before, after, atol=1e-4)


@pytest.mark.parametrize("streams", [("resnet152",), ("vggish", "resnet152")])
def test_pooled_and_per_frame_files_give_the_same(folder, streams):
    per_frame = NpyFolder(folder).load(IDS[0])["resnet152"]
    save(folder, "res152", IDS[0], per_frame)
    np.testing.assert_array_equal(NpyFolder(folder, streams).load(IDS[0])["resnet152"], per_frame)


def test_resnet_alone_is_read_as_published_unless_the_length_is_given(folder):
    save(folder, "res152", "alone", np.ones((16, 2048), np.float32))
    assert NpyFolder(folder, ["resnet152"]).load("alone")["resnet152"].shape == (2, 2048)
    known = NpyFolder(folder, ["resnet152"], num_segments=16)
    assert known.load("alone")["resnet152"].shape == (16, 2048)


def test_a_published_folder_is_recognized(folder, tmp_path_factory):
    assert NpyFolder.is_published(folder)
    assert NpyFolder.is_published(folder / "feats")
    assert not NpyFolder.is_published(tmp_path_factory.mktemp("empty"))


def test_membership_needs_all_streams(folder):
    (folder / "feats" / "vggish" / f"{IDS[0]}.npy").unlink()
    source = NpyFolder(folder)
    assert [video_id in source for video_id in (*IDS, "absent", 3)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert IDS[0] in NpyFolder(folder, ["resnet152"])


def test_unknown_streams_and_absent_folders_are_told(folder):
    with pytest.raises(UserError, match=r"expected streams out of vggish, .* got clip"):
        NpyFolder(folder, ["clip"])
    with pytest.raises(UserError, match="found no vggish, res152, r2plus1d_18"):
        NpyFolder(folder / "feats" / "vggish")
    with pytest.raises(UserError, match="got yamnet; the features are published features vggish"):
        NpyFolder(folder).load(IDS[0], ["yamnet"])


def test_every_fault_of_every_video_is_told_at_once(folder):
    feats = folder / "feats"
    (feats / "vggish" / f"{IDS[0]}.npy").unlink()
    (feats / "vggish" / f"{IDS[1]}.npy").write_bytes(b"not an array")
    save(folder, "res152", IDS[1], np.ones((79, 2048)))
    save(folder, "r2plus1d_18", IDS[1], np.full((10, 512), np.nan))
    whole = (feats / "r2plus1d_18" / f"{IDS[2]}.npy").read_bytes()
    (feats / "r2plus1d_18" / f"{IDS[2]}.npy").write_bytes(whole[:-4])
    np.save(feats / "vggish" / f"{IDS[2]}.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError) as caught:
        NpyFolder(folder).table([*IDS, "absent1", "absent2"], list(NpyFolder(folder).streams))
    message = str(caught.value)
    assert "usable features of 5 videos from published features" in message
    assert "missing features: 7" in message
    assert "unreadable files: 3" in message
    assert (
        f"wrong shapes: 1 (resnet152 of {IDS[1]}: (79, 2048) instead of (10, …, 2048))" in message
    )
    assert f"NaN or infinite values: 1 (r2plus1d_18 of {IDS[1]})" in message


@pytest.mark.parametrize(
    "stored",
    [
        np.arange(1280.0).reshape(128, 10).T,
        np.arange(1280).reshape(10, 128).astype(">f8"),
        np.arange(1280).reshape(10, 128).astype(np.float16),
        np.arange(1280).reshape(10, 128),
    ],
    ids=["columns first", "big-endian", "half", "integers"],
)
def test_any_order_and_type_of_numbers_is_read(stored, folder):
    np.save(folder / "feats" / "vggish" / f"{IDS[0]}.npy", stored)
    read = NpyFolder(folder, ["vggish"]).load(IDS[0])["vggish"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, stored.astype(np.float32))


@pytest.mark.parametrize("stored", [np.ones((0, 128)), np.float32(1), np.array(["a"] * 128)])
def test_what_is_no_table_of_numbers_is_a_fault(stored, folder):
    np.save(folder / "feats" / "vggish" / f"{IDS[0]}.npy", stored)
    with pytest.raises(FeatureError):
        NpyFolder(folder, ["vggish"], num_segments=10).load(IDS[0])


def test_a_video_without_segments_is_a_fault(folder):
    for name, width in (("vggish", 128), ("res152", 2048), ("r2plus1d_18", 512)):
        save(folder, name, IDS[0], np.ones((0, width)))
    with pytest.raises(FeatureError, match=r"\(0, 128\) instead of \(T, …, 128\)"):
        NpyFolder(folder).load(IDS[0])


def test_a_file_of_a_later_version_of_the_format_is_read(folder):
    with (folder / "feats" / "vggish" / f"{IDS[0]}.npy").open("wb") as file:
        np.lib.format.write_array(file, np.full((10, 128), 3.0), version=(2, 0))
    assert (NpyFolder(folder, ["vggish"]).load(IDS[0])["vggish"] == 3).all()


class ReadsLittle(FileIO):
    """Gives at most 1000 bytes at once, as Linux gives at most 2 GiB."""

    def readinto(self, buffer):
        return super().readinto(memoryview(buffer)[:1000])


def test_a_file_that_comes_in_pieces_is_read_whole(tmp_path):
    stored = np.arange(5000.0).reshape(10, 500)
    np.save(tmp_path / "a.npy", stored)
    with ReadsLittle(tmp_path / "a.npy") as file:
        np.testing.assert_array_equal(_read_array(file), stored)


def test_a_wrong_length_is_told_against_the_given_length(folder):
    with pytest.raises(FeatureError) as caught:
        NpyFolder(folder, num_segments=9).load(IDS[0])
    assert {fault.kind for fault in caught.value.faults} == {FaultKind.SHAPE}
    assert len(caught.value.faults) == 3


def test_many_videos_are_stacked_in_the_order_asked(folder):
    source = NpyFolder(folder)
    seen = []
    ids = (IDS[2], IDS[0])
    names = tuple(source.streams)
    table = source.table(ids, names, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert table.lengths.tolist() == [10, 10]
    for name, array in table.read([0, 1], 10).items():
        expected = np.stack([source.load(video_id)[name] for video_id in ids])
        np.testing.assert_array_equal(array, expected)


class Varied:
    """Videos whose length is their id; those of odd length are mute."""

    streams = {"sound": 2, "picture": 3}  # noqa: RUF012

    def __contains__(self, video_id):
        return True

    def load(self, video_id, streams=None):
        length = int(video_id)
        arrays = {"picture": np.full((length, 4, 3), length, np.float32)}
        if length % 2 == 0:
            arrays["sound"] = np.full((length, 2), length, np.float32)
        return {name: array for name, array in arrays.items() if name in streams}

    def describe(self):
        return "varied"


@pytest.mark.parametrize("cache", ["", "off"])
def test_videos_of_all_lengths_are_padded_and_missing_streams_marked(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MMPYRAMID_FEATURE_CACHE", cache or str(tmp_path))
    lengths = [2, 1, 4, 7, 3]
    table = packed_table(Varied(), [str(length) for length in lengths], ["sound", "picture"], ())
    assert table.lengths.tolist() == lengths
    read = table.read(range(5), 7)
    assert read["picture"].shape == (5, 7, 4, 3)
    assert read["sound"].shape == (5, 7, 2)
    assert table.present["sound"].tolist() == [True, False, True, False, False]
    assert table.present["picture"].all()
    for row, length in enumerate(lengths):
        assert (read["picture"][row, :length] == length).all()
        assert (read["picture"][row, length:] == 0).all()
        assert read["sound"][row].sum() == (2 * length * length if length % 2 == 0 else 0)
    cut = table.read([3, 1], 2)
    assert cut["picture"].shape == (2, 2, 4, 3)
    assert (cut["picture"][0] == 7).all()
    assert (cut["picture"][1, 1] == 0).all()


def test_nothing_to_load_gives_empty_arrays():
    table = packed_table(Varied(), [], ["sound"], ())
    assert table.read([], 0)["sound"].shape == (0, 0, 2)
    assert table.lengths.shape == (0,)


def test_one_wanted_stream_loads_alone(folder):
    assert list(NpyFolder(folder).table(IDS, ["vggish"]).read([0], 10)) == ["vggish"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_packed_once_and_again_when_they_change(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("MMPYRAMID_FEATURE_CACHE", str(cache))
    source = NpyFolder(folder)
    first = source.table(IDS, source.streams).read([0], 10)
    packed = names(cache)
    assert len(packed) == 1
    read = []
    monkeypatch.setattr(source, "load", lambda *a: read.append(a))
    again = source.table(IDS, source.streams).read([0], 10)
    assert read == []
    assert names(cache) == packed
    for name in source.streams:
        np.testing.assert_array_equal(again[name], first[name])
    save(folder, "vggish", IDS[0], np.full((10, 128), 7, np.float32))
    changed = NpyFolder(folder)
    assert (changed.table(IDS, changed.streams).read([0], 10)["vggish"] == 7).all()
    assert len(names(cache)) == 2


def test_a_pack_that_is_deleted_is_made_again(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MMPYRAMID_FEATURE_CACHE", str(tmp_path / "cache"))
    table = NpyFolder(folder).table(IDS, ["vggish"])
    before = table.read([2], 10)["vggish"]
    shutil.rmtree(tmp_path / "cache")
    np.testing.assert_array_equal(table.read([2], 10)["vggish"], before)


def test_what_a_killed_process_left_is_in_nobodys_way(folder, tmp_path, monkeypatch):
    """In containers the next process often has the same number."""
    monkeypatch.setenv("MMPYRAMID_FEATURE_CACHE", str(tmp_path / "cache"))
    NpyFolder(folder).table(IDS, ["vggish"])
    (packed,) = names(tmp_path / "cache")
    (tmp_path / "cache" / packed).rename(tmp_path / "cache" / f"{packed}.{os.getpid()}.tmp")
    NpyFolder(folder).table(IDS, ["vggish"])
    assert packed in names(tmp_path / "cache")


def test_faults_leave_no_pack_behind(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("MMPYRAMID_FEATURE_CACHE", str(cache))
    with pytest.raises(UserError, match="missing features: 3"):
        NpyFolder(folder).table([*IDS, "absent"], list(NpyFolder(folder).streams))
    assert names(cache) == []


def test_packs_that_nobody_uses_are_deleted(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("MMPYRAMID_FEATURE_CACHE", str(cache))
    NpyFolder(folder).table(IDS, ["vggish"])
    (old,) = names(cache)
    (cache / "killed.12.tmp").mkdir()
    for name, days in ((old, 31), ("killed.12.tmp", 2)):
        then = time.time() - days * 86_400
        os.utime(cache / name, (then, then))
    NpyFolder(folder).table(IDS[:2], ["vggish"])
    assert len(names(cache)) == 1
    assert old not in names(cache)


def test_without_a_place_for_packs_files_are_read_one_by_one(folder, tmp_path, monkeypatch, caplog):
    expected = NpyFolder(folder).table(IDS, ["vggish"]).read([1, 2], 10)["vggish"]

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("MMPYRAMID_FEATURE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("mmpyramid.store.mapped.os.fsync", full)
    table = NpyFolder(folder).table(IDS, ["vggish"])
    assert "No space left" in caplog.text
    np.testing.assert_array_equal(table.read([1, 2], 10)["vggish"], expected)
    assert names(tmp_path / "cache") == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2**62, 128), (2**62, 2), (2**62,), (10, 2**60), (-1, 128)])
def test_what_a_header_claims_is_not_believed(tmp_path, version, shape):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode() + b"\n"
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    path = tmp_path / "a.npy"
    path.write_bytes(np.lib.format.magic(version, 0) + length + header + bytes(512))
    told = "is no shape" if shape[0] < 0 else f"{4 * math.prod(shape)} bytes expected for"
    with pytest.raises(FeatureError, match=told):
        read_features(path)

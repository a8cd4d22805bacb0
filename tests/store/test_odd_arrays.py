"""Features of other types and shapes are told or read as what they are, in every layout."""

import io
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import tiny_folder
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.segment_labels import SegmentLabels, SegmentTargets
from mmpyramid.store.exchange import import_features
from mmpyramid.store.hdf5 import RowFile
from mmpyramid.store.npy import NpyFolder
from mmpyramid.store.source import FeatureError
from mmpyramid.store.store import FeatureStore
from store.tiny_store import add_all, video

WIDTH, SEGMENTS = 128, 10
TABLE = np.ones((SEGMENTS, WIDTH), np.float32)


def header(shape: str, descr: str = "'<f4'") -> bytes:
    """An NPY file that claims a shape, with nothing in it."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text = text.ljust(-(-len(text) // 64) * 64 - 11) + b"\n"
    return b"\x93NUMPY\x01\0" + (len(text) % 2**16).to_bytes(2, "little") + text + bytes(100)


class Evil:
    """Code, if it is unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


ODD = {
    "nan": saved(np.full_like(TABLE, np.nan)),
    "infinite": saved(np.full_like(TABLE, np.inf)),
    "beyond float32": saved(np.full(TABLE.shape, 1e300)),
    "complex": saved(TABLE + 1j),
    "texts": saved(TABLE.astype("U5")),
    "objects": saved(np.array([[Evil()] * WIDTH] * SEGMENTS, object)),
    "structured": saved(np.zeros(TABLE.shape, [("x", "f4")])),
    "times": saved(TABLE.astype("M8[s]")),
    "void": saved(np.zeros(TABLE.shape, "V4")),
    "one axis": saved(TABLE[0]),
    "no axis": saved(np.float32(1)),
    "no rows": saved(TABLE[:0]),
    "no columns": saved(TABLE[:, :0]),
    "booleans": saved(TABLE > 0),
    "four axes": saved(TABLE.reshape(SEGMENTS, 1, 1, WIDTH)),
    "other width": saved(TABLE[:, :-1]),
    "enormous": header("(10, 1000000000000)"),
    "more than can be counted": header(f"({2**62}, 128)"),
    "negative": header("(10, -128)"),
    "deep": header("(" * 3000 + ")" * 3000),
    "no shape": header("'x'"),
    "no type": header("(10, 128)", "'<q9'"),
    "cut off": saved(TABLE)[:200],
    "empty": b"",
    "other text": b"features",
    "endless header": b"\x93NUMPY\x02\0\xff\xff\xff\x7f" + b"x" * 100,
}
MAPS = "four axes"
"""Good where it does not stand beside others: a segment may be a map."""


@pytest.fixture
def feats(tmp_path):
    folder = tmp_path / "feats" / "vggish"
    folder.mkdir(parents=True)
    np.save(folder / "good.npy", TABLE)
    return folder


@pytest.mark.parametrize("name", sorted(ODD.keys() - {MAPS}))
def test_a_published_folder(feats, name):
    (feats / "odd.npy").write_bytes(ODD[name])
    source = NpyFolder(feats.parent, ["vggish"])
    with pytest.raises(FeatureError) as told:
        source.load("odd")
    assert len(str(told.value)) < 1000
    with pytest.raises(UserError):
        source.table(["good", "odd"], ["vggish"])
    np.testing.assert_array_equal(source.load("good")["vggish"], TABLE)


ENDLESS = {
    "device": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "circle": lambda path: path.symlink_to(path.name),
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("put", ENDLESS.values(), ids=ENDLESS)
def test_what_is_no_file_and_would_never_end(feats, put):
    put(feats / "odd.npy")
    source = NpyFolder(feats.parent, ["vggish"])
    for read in (lambda: source.load("odd"), lambda: source.table(["good", "odd"], ["vggish"])):
        with pytest.raises(UserError, match="unreadable files: 1"):
            read()


@pytest.mark.parametrize("name", ODD)
def test_an_import(feats, tmp_path, name, capsys):
    (feats / "odd.npy").write_bytes(ODD[name])
    store = import_features(feats.parent, tmp_path / "store")
    assert store.ids == ("good",)
    assert len(store.failures["odd"]) < 1000
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("put", ENDLESS.values(), ids=ENDLESS)
def test_an_import_of_what_is_no_file(feats, tmp_path, put):
    put(feats / "odd.npy")
    store = import_features(feats.parent, tmp_path / "store")
    assert store.ids == ("good",)
    assert "odd.npy" in store.failures["odd"]


@pytest.fixture
def labels(tmp_path):
    """Pseudo labels of three classes for a video `odd`, of which one file is to be spoilt."""
    for side in ("audio", "visual"):
        (tmp_path / "labels" / side).mkdir(parents=True)
        np.save(tmp_path / "labels" / side / "odd.npy", np.zeros((SEGMENTS, 3), np.float16))
    return tmp_path / "labels"


def read_labels(folder):
    return SegmentTargets(SegmentLabels(folder=folder), ["odd"], np.ones((1, 3)), ["a", "b", "c"])


@pytest.mark.parametrize("content", [*ODD.values(), b"PK\x03\x04"], ids=[*ODD, "archive"])
def test_pseudo_labels(labels, content):
    (labels / "audio" / "odd.npy").write_bytes(content)
    with pytest.raises(UserError) as told:
        read_labels(labels)
    assert "odd.npy" in str(told.value)
    assert len(str(told.value)) < 1000


@pytest.mark.parametrize("put", ENDLESS.values(), ids=ENDLESS)
def test_pseudo_labels_that_are_no_file(labels, put):
    (labels / "audio" / "odd.npy").unlink()
    put(labels / "audio" / "odd.npy")
    with pytest.raises(UserError, match="files that cannot be read: 1"):
        read_labels(labels)


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_ones_own(tmp_path, name):
    tiny_folder.write_features(tmp_path, 12)
    tiny_folder.write_table(tmp_path / "annotations.csv", tiny_folder.rows_of(12))
    path = tmp_path / "features" / "yamnet" / f"{tiny_folder.name_of(0)}.npy"
    path.write_bytes(ODD[name])
    with pytest.raises(UserError) as told:
        read_all_splits(tmp_path)
    assert len(str(told.value)) < 1000


def read_all_splits(folder):
    for split in ("train", "val", "test"):
        dataset = open_dataset(folder, split, tiny_folder.STREAMS)
        dataset.check()
        dataset.batch(range(len(dataset)))


@pytest.mark.parametrize(
    "array",
    [TABLE + 1j, TABLE.astype("S5"), TABLE > 0, TABLE.astype(int), np.zeros(3, [("x", "f4")])],
    ids=["complex", "texts", "booleans", "integers", "structured"],
)
def test_a_file_with_rows(tmp_path, array):
    with h5py.File(tmp_path / "audio_feature.h5", "w") as file:
        file["dataset"] = array
    with pytest.raises(UserError, match="expected features as floats"):
        RowFile.open(tmp_path / "audio_feature.h5")


def test_what_a_program_adds_to_a_store(tmp_path):
    """The store refuses what it could not give back."""
    good = video(0)
    for value in (np.nan, np.inf):
        array = np.full_like(good.features["sound"], value)
        with pytest.raises(FeatureError):
            add_all(tmp_path, {"a": good.__class__(duration=5.0, features={"sound": array})})
    for array in (np.ones((5, 4)) + 1j, np.ones((5,)), np.ones((0, 4)), np.ones((5, 3))):
        with pytest.raises(FeatureError):
            add_all(tmp_path, {"a": good.__class__(duration=5.0, features={"sound": array})})
    assert FeatureStore(tmp_path).ids == ()


def test_where_no_array_can_be_read_the_first_reason_is_told(tmp_path):
    (tmp_path / "features" / "yamnet").mkdir(parents=True)
    for name in ("a.npy", "b.npy"):
        (tmp_path / "features" / "yamnet" / name).write_bytes(saved(TABLE)[:500])
    with pytest.raises(UserError, match=r"none can be read: .*yamnet.*[ab]\.npy"):
        import_features(tmp_path / "features", tmp_path / "store")

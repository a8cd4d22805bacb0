"""What goes into a store from another layout comes out of it unchanged."""

import os
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from mmpyramid.cli import main
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.store.exchange import RowArrays, export_features, import_features
from mmpyramid.store.npy import NpyFolder
from mmpyramid.store.store import FeatureStore
from mmpyramid.store.sums import check_sums, read_sums, sum_of, write_sums
from store.tiny_store import add_all, video

RNG = np.random.default_rng(0)


def write_llp(folder, ids, num_segments=10):
    """The published layout, small: `res152` has eight rows per segment."""
    for name, rows, dim in (("vggish", 1, 128), ("res152", 8, 2048), ("r2plus1d_18", 1, 512)):
        (folder / name).mkdir(parents=True)
        for video_id in ids:
            array = RNG.standard_normal((rows * num_segments, dim), np.float32)
            np.save(folder / name / f"{video_id}.npy", array)


def npy_bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.npy")}


def test_llp_there_and_back(tmp_path):
    write_llp(tmp_path / "data" / "feats", ["-_aaaaaaaa1", "b"])
    store = import_features(tmp_path / "data", tmp_path / "store")
    assert store.load("b")["resnet152"].shape == (10, 8, 2048)
    assert store.info("b").duration == 10
    assert "imported" in store.describe()
    export_features(store, tmp_path / "back")
    assert npy_bytes(tmp_path / "back") == npy_bytes(tmp_path / "data" / "feats")
    assert len(npy_bytes(tmp_path / "back")) == 6


def test_frames_are_pooled_as_the_reader_of_llp_does(tmp_path):
    write_llp(tmp_path / "feats", ["a"])
    store = import_features(tmp_path / "feats", tmp_path / "store", pool=True)
    for name, array in NpyFolder(tmp_path).load("a").items():
        np.testing.assert_array_equal(store.load("a")[name], array)


@pytest.mark.parametrize(("pool", "shape"), [(False, (10, 8, 2048)), (True, (10, 2048))])
def test_frames_that_stand_alone_are_eight_per_segment(tmp_path, pool, shape):
    write_llp(tmp_path / "feats", ["a"])
    for name in ("vggish", "r2plus1d_18"):
        shutil.rmtree(tmp_path / "feats" / name)
    store = import_features(tmp_path / "feats", tmp_path / "store", pool=pool)
    assert store.load("a")["resnet152"].shape == shape
    assert store.info("a").duration == 10


def test_what_does_not_fit_beside_the_others_is_noted_and_stops_nothing(tmp_path):
    write_llp(tmp_path / "feats", ["a", "b", "c"])
    pooled = RNG.standard_normal((10, 2048), np.float32)
    np.save(tmp_path / "feats" / "res152" / "b.npy", pooled)
    for _ in range(2):
        store = import_features(tmp_path / "feats", tmp_path / "store")
        assert sorted(store.ids) == ["a", "c"]
        assert "(2048,) per segment, but (8, 2048) in the store" in store.failures["b"]
    store = import_features(tmp_path / "feats", tmp_path / "pooled", pool=True)
    np.testing.assert_array_equal(store.load("b")["resnet152"], pooled)


def write_rows(folder, shapes, ids):
    folder.mkdir()
    for name, shape in shapes.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["avadataset"] = RNG.standard_normal((len(ids), *shape), np.float32)
    (folder / "ids.txt").write_text("".join(f"{i}\n" for i in ids))


def only(path):
    with h5py.File(path) as file:
        return next(iter(file.values()))[:]


def test_ave_there_and_back(tmp_path):
    shapes = {"audio_feature": (10, 128), "visual_feature": (10, 7, 7, 512)}
    write_rows(tmp_path / "ave", shapes, ["a", "b", "c"])
    store = import_features(tmp_path / "ave", tmp_path / "store")
    assert store.load("b", ["vgg19"])["vgg19"].shape == (10, 7, 7, 512)
    export_features(store, tmp_path / "back", "h5")
    for name in shapes:
        there, back = (only(tmp_path / place / f"{name}.h5") for place in ("ave", "back"))
        np.testing.assert_array_equal(back, there)
    assert (tmp_path / "back" / "ids.txt").read_text() == "a\nb\nc\n"


@pytest.fixture(params=["npy", "h5"])
def exported(request, tmp_path):
    """A folder with two streams of three videos, one of an odd name where that can be."""
    folder, layout = tmp_path / "store", request.param
    add_all(folder, {n: video(seed) for seed, n in enumerate(["a", "b", "back\\slash"])})
    if layout == "npy":
        add_all(folder, {"two\nlines": video(3)})
    export_features(FeatureStore(folder), tmp_path / "out", layout)
    return tmp_path / "out"


def test_an_export_has_checksums(exported):
    (exported / "notes.txt").write_text("of somebody")
    assert check_sums(exported) == {}
    command = ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"]
    assert subprocess.run(command, cwd=exported).returncode == 0
    for path in sorted(exported.rglob("*")):
        if path.suffix not in {".npy", ".h5"} and path.name != "ids.txt":
            continue
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        name = path.relative_to(exported).as_posix()
        assert check_sums(exported) == {name: "its checksum differs from the recorded one"}
        path.unlink()
        assert check_sums(exported) == {name: "No such file or directory"}
        path.write_bytes(content)


def test_the_command_checks_an_export(exported, capsys):
    assert main(["store", "check", str(exported)]) == 0
    assert "0 damaged" in capsys.readouterr().out
    damaged = next(path for path in exported.rglob("*") if path.suffix in {".npy", ".h5"})
    damaged.write_bytes(b"x")
    assert main(["store", "check", str(exported)]) == 1
    assert "checksum differs" in capsys.readouterr().err
    for line in ("x", f"{'0' * 64}  ../store/store.json", f"{'0' * 64}  /etc/passwd", "\udcff"):
        (exported / "SHA256SUMS").write_bytes(os.fsencode(f"{line}\n"))
        assert main(["store", "check", str(exported)]) == 2
        assert "SHA256SUMS" in capsys.readouterr().err


def test_a_list_of_checksums_that_was_cut_off_is_noticed(exported, capsys):
    path = exported / "SHA256SUMS"
    content = path.read_bytes()
    path.write_bytes(content[:-4])
    sums = read_sums(exported)
    assert len(sums) == content.count(b"\n")
    assert [name for name in sums if not (exported / name).exists()] == list(check_sums(exported))
    path.write_bytes(content[:40])
    assert main(["store", "check", str(exported)]) == 2
    assert "SHA256SUMS" in capsys.readouterr().err


def test_checksums_of_what_is_no_file_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    write_sums(tmp_path, {"pipe": "0" * 64})
    assert "a pipe" in check_sums(tmp_path)["pipe"]


def test_rows_of_an_export_have_checksums_of_their_own(tmp_path):
    """So that any program that reads HDF5 finds rot, and not this one alone."""
    add_all(tmp_path / "store", {name: video(n) for n, name in enumerate("abc")})
    export_features(FeatureStore(tmp_path / "store"), tmp_path / "out", "h5")
    path = tmp_path / "out" / "sound.h5"
    content = path.read_bytes()
    place = content.index(video(1).features["sound"].tobytes())
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    with h5py.File(path) as file, pytest.raises(OSError, match="filter returned failure"):
        file["dataset"][1]
    write_sums(tmp_path / "out", {"sound.h5": sum_of(path)})
    assert "row 1 of" in check_sums(tmp_path / "out")["sound.h5"]
    with pytest.raises(UserError, match="row of b in"):
        RowArrays(tmp_path / "out").read("sound", "b")


def test_own_streams_missing_and_bad_videos(tmp_path):
    for name, dim in (("sound", 4), ("look", 3)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for n, video_id in enumerate(("long", "short", "bad", "mute")):
            np.save(tmp_path / "mine" / name / f"{video_id}.npy", np.full((5 - n, dim), n, "f8"))
    (tmp_path / "mine" / "sound" / "mute.npy").unlink()
    (tmp_path / "mine" / "look" / "bad.npy").write_bytes(b"broken")
    np.save(tmp_path / "mine" / "sound" / "short.npy", np.full((4, 4), np.nan))
    with pytest.raises(UserError, match="look, sound is heard or seen"):
        import_features(tmp_path / "mine", tmp_path / "store")
    modalities = {"sound": Modality.AUDIO, "look": Modality.VISUAL}
    store = import_features(tmp_path / "mine", tmp_path / "store", modalities)
    assert sorted(store.ids) == ["long", "mute"]
    assert store.info("mute").missing == (Modality.AUDIO,)
    assert sorted(store.failures) == ["bad", "short"]
    assert store.load("long")["sound"].dtype == np.float32
    with pytest.raises(UserError, match=r"expected (sound of every video|videos of one length)"):
        export_features(store, tmp_path / "out", "h5")
    assert len(import_features(tmp_path / "mine", tmp_path / "store", modalities)) == 2


@pytest.mark.parametrize("video_id", ["\udce9t\udce9", "two\nlines"])
def test_ids_that_are_no_lines_of_text_are_told_before_anything_is_written(tmp_path, video_id):
    write_llp(tmp_path / "feats", ["a", video_id], num_segments=1)
    store = import_features(tmp_path / "feats", tmp_path / "store")
    with pytest.raises(UserError, match="ids that are lines of UTF-8 text"):
        export_features(store, tmp_path / "rows", "h5")
    assert not (tmp_path / "rows").exists()
    export_features(store, tmp_path / "back", "npy")
    assert npy_bytes(tmp_path / "back") == npy_bytes(tmp_path / "feats")


def test_what_is_no_layout_is_told(tmp_path):
    with pytest.raises(UserError, match="has neither"):
        import_features(tmp_path, tmp_path / "store")
    with pytest.raises(UserError, match="is not a folder"):
        import_features(tmp_path / "gone", tmp_path / "store")
    write_rows(tmp_path / "rows", {"vggish": (10, 128)}, ["a", "a"])
    with pytest.raises(UserError, match="1 different ids in 2 lines"):
        import_features(tmp_path / "rows", tmp_path / "store")
    (tmp_path / "rows" / "ids.txt").unlink()
    with pytest.raises(UserError, match=r"ids\.txt with the id of every row"):
        import_features(tmp_path / "rows", tmp_path / "store")
    assert not FeatureStore.is_store(tmp_path / "store")

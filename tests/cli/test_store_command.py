"""`mmpyramid store` on the features of a small corpus."""

import shutil
import subprocess
import sys

import numpy as np

from mmpyramid.datasets import is_simulated
from mmpyramid.store.exchange import import_features
from store.tiny_store import add_all, video


def test_import_and_export(corpus, run, tmp_path, capsys):
    feats, store, back = corpus / "feats", tmp_path / "new" / "store", tmp_path / "new" / "back"
    assert run("store", "import", feats, "--out", store) == 0
    assert "0 failed" in capsys.readouterr().out
    assert run("info", store) == 0
    shown = capsys.readouterr().out
    assert "imported" in shown
    assert " MB in 1 files" in shown
    assert run("store", "export", store, "--out", back) == 0
    there = {path.relative_to(feats): path.read_bytes() for path in feats.rglob("*.npy")}
    assert {path.relative_to(back): path.read_bytes() for path in back.rglob("*.npy")} == there


def test_two_layouts_are_not_mixed(run, tmp_path, capsys):
    add_all(tmp_path / "store", {"a": video(0)})
    for first, second in (("npy", "h5"), ("h5", "npy")):
        words = ("store", "export", tmp_path / "store", "--out", tmp_path / first, "--layout")
        assert run(*words, first) == run(*words, first) == 0
        assert run(*words, second) == 2
        assert "an export in another layout" in capsys.readouterr().err


def test_what_is_made_of_simulated_features_is_called_so(run, tmp_path, capsys):
    sim, data = tmp_path / "sim", tmp_path / "annotations"
    assert run("simulate", "--out", sim, "--train", 1, "--val", 1, "--test", 1) == 0
    data.mkdir()
    for file in (*sim.glob("*.csv"), sim / "labels.txt"):
        shutil.copy(file, data)
    assert run("store", "import", sim / "feats", "--out", data / "features") == 0
    assert run("store", "export", data / "features", "--out", tmp_path / "back") == 0
    assert run("info", data / "features") == 0
    assert "simulated features, 3 videos" in capsys.readouterr().out
    assert is_simulated(data)
    assert is_simulated(tmp_path / "back")
    shutil.rmtree(data / "features")
    assert not is_simulated(data)


def test_a_store_is_described_without_torch(tmp_path):
    (tmp_path / "feats" / "vggish").mkdir(parents=True)
    np.save(tmp_path / "feats" / "vggish" / "sound.npy", np.zeros((10, 128), np.float32))
    import_features(tmp_path / "feats", tmp_path / "store")
    code = (
        "import sys; from mmpyramid.cli import main; "
        f"assert main(['info', {str(tmp_path / 'store')!r}]) == 0; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_of_files_are_shown_whatever_is_in_them(run, tmp_path, capsys):
    (tmp_path / "feats" / "vggish").mkdir(parents=True)
    np.save(tmp_path / "feats" / "vggish" / "sound.npy", np.zeros((10, 128), np.float32))
    (tmp_path / "feats" / "vggish" / "a:dog:\udce9t\udce9.npy").write_bytes(b"broken")
    import_features(tmp_path / "feats", tmp_path / "store")
    assert run("info", tmp_path / "store") == 0
    assert "failed a:dog:\\udce9t\\udce9" in capsys.readouterr().out


def test_wrong_words_and_paths(run, tmp_path, capsys):
    assert run("store") == 2
    assert run("store", "bring", tmp_path) == 2
    assert "expected one of `store import`, `store export`" in capsys.readouterr().err
    assert run("store", "import", tmp_path / "gone", "--out", tmp_path / "store") == 2
    assert run("store", "export", tmp_path / "gone", "--out", tmp_path / "out") == 2
    assert "expected a store of features" in capsys.readouterr().err


def test_check_finds_damage_by_file(run, tmp_path, capsys):
    add_all(tmp_path / "store", {"a": video(0), "b": video(1)}, videos_per_shard=1)
    assert run("store", "check", tmp_path / "store") == 0
    assert "2 videos in 2 files, 0 damaged" in capsys.readouterr().out
    shard = tmp_path / "store" / "shard-00001.h5"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert run("store", "check", tmp_path / "store") == 1
    shown = capsys.readouterr()
    assert "shard-00001.h5: expected a file of features" in shown.err
    assert "1 videos in 2 files, 1 damaged" in shown.out
    assert run("store", "check", tmp_path) == 2

"""`mmpyramid info --data`: what a corpus folder has, lacks, and has otherwise than distributed."""

import hashlib
import shutil

import h5py
import pytest

import tiny_unav
from mmpyramid.datasets.catalog import CATALOG, check_corpus, known_data
from mmpyramid.datasets.synthetic.simulated_ave import simulate_ave


def test_a_made_up_corpus_is_not_the_distributed_one(corpus, run, capsys):
    assert run("info", "--data", corpus) == 0
    shown = capsys.readouterr().out
    assert "layout" in shown
    assert "https://github.com/YapengTian/AVVP-ECCV20" in shown
    assert shown.count("differs from the published file") == 5
    assert "corrected in April 2024" in shown
    assert "6 videos of 3 classes in the layout of LLP" in shown
    assert "without features" not in shown


def test_features_that_are_missing_are_counted(run, tmp_path, capsys):
    folder = tiny_unav.make(tmp_path / "unav")
    for suffix in ("rgb", "flow", "vggish"):
        (folder / "av_features" / f"test_3_{suffix}.npy").unlink()
    assert run("info", "--data", folder) == 0
    shown = capsys.readouterr().out
    assert "39 files (published: 10,790 files of (rows, 128))" in shown
    assert "1 of them, such as test_3; extract theirs" in shown
    shutil.rmtree(folder / "av_features")
    assert run("info", "--data", folder) == 0
    shown = capsys.readouterr().out
    assert "missing (published: 10,790 files of (rows, 1024))" in shown
    assert "none: expected features in" in shown


def test_a_split_that_cannot_be_read_does_not_hide_the_others(corpus, run, tmp_path, capsys):
    folder = shutil.copytree(corpus, tmp_path / "copy")
    (folder / "AVVP_val_pd.csv").unlink()
    assert run("info", "--data", folder) == 0
    shown = capsys.readouterr().out
    assert "missing, 23,349 bytes" in shown
    assert "cannot be read: expected the annotations of LLP's val split" in shown
    assert "8 videos of 3 classes" in shown


def test_label_files_are_compared_with_the_annotations(run, tmp_path, capsys):
    folder = simulate_ave(None, tmp_path / "ave", sizes={"train": 4, "val": 1, "test": 1})
    assert run("info", "--data", folder) == 0
    shown = capsys.readouterr().out
    assert "agree with the annotations: labels.h5, mil_labels.h5, prob_label.h5" in shown
    with h5py.File(folder / "mil_labels.h5", "r+") as file:
        file["avadataset"][2] = 0
    assert run("info", "--data", folder) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 rows of mil_labels.h5, first 2" in shown


def test_a_folder_without_annotations_is_told_where_they_are(run, tmp_path, capsys):
    assert run("info", "--data", tmp_path) == 2
    error = capsys.readouterr().err
    assert "https://unav100.github.io" in error
    assert len(error.strip().splitlines()) == 1
    assert run("info", "--data", tmp_path / "gone") == 2
    assert "is not a folder" in capsys.readouterr().err


def test_a_file_as_it_was_seen(tmp_path):
    known = known_data("LLP")
    content = b"content"
    first = known.files[0]
    seen = type(first)(path=first.path, sha256=hashlib.sha256(content).hexdigest())
    (tmp_path / first.path).write_bytes(content)
    states = list(check_corpus(tmp_path, type(known)(**{**vars(known), "files": (seen,)})))
    assert [str(state) for state in states] == ["as distributed"]


@pytest.mark.parametrize("name", ["llp", "ave"])
def test_the_real_annotations_are_those_that_were_seen(shared, name):
    known = next(each for each in CATALOG if each.name.lower() == name)
    states = list(check_corpus(shared / "data" / name, known))
    assert [state.is_as_seen for state in states if state.file.sha256] == [True] * sum(
        bool(file.sha256) for file in known.files
    )

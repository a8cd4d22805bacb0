"""OV-AVEBench on files in its layout: background, closed and open clips, its three numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmpyramid import UserError
from mmpyramid.cli import main
from mmpyramid.core.batch import Streams
from mmpyramid.datasets import Supervision, open_dataset
from mmpyramid.datasets.ovavel import read_ovavel
from mmpyramid.models import MMPyramidAVE, MMPyramidAVEConfig
from mmpyramid.problems import problem_named

CATEGORIES = ("arc welding", "dog barking", "race car")
STREAMS = Streams(audio={"imagebind_audio": 6}, visual={"imagebind_frame": 6})
CLIPS = [
    ("train", "arc welding", "close", "a", "1110000000"),
    ("train", "dog barking", "close", "b", "0000000000"),
    ("val", "race car", "open", "c", "1111111111"),
    ("test", "arc welding", "close", "d", "0011111110"),
    ("test", "race car", "open", "e", "0110000110"),
    ("test", "race car", "open", "f", "0000000000"),
]


def make(folder: Path, clips=CLIPS) -> Path:
    meta = folder / "meta_anno_files"
    meta.mkdir(parents=True)
    rows = ["split,cls_name,cls_type,vid_name", *(",".join(clip[:4]) for clip in clips)]
    (meta / "ovave_dataset_meta.csv").write_text("\n".join(rows) + "\n")
    lines = "\r\n".join([*CATEGORIES, "other"])
    (meta / "ovave_total_close_open_categories.csv").write_bytes(lines.encode())
    annotations = {
        name: {"category": category, "label": f"[{', '.join(label)}]"}
        for _, category, _, name, label in clips
    }
    (meta / "released_ovavel_dataset_anno.json").write_text(json.dumps(annotations))
    for stream in STREAMS.widths:
        (folder / "features" / stream).mkdir(parents=True)
        for row, (*_, name, _) in enumerate(clips):
            values = np.random.default_rng(row).random((10, 6), np.float32)
            np.save(folder / "features" / stream / f"{name}.npy", values)
    return folder


@pytest.fixture
def ovavel(tmp_path) -> Path:
    return make(tmp_path / "ov")


def test_splits_have_all_categories_and_background_behind_them(ovavel):
    annotations, is_closed = read_ovavel(ovavel, "test")
    assert annotations.labels == CATEGORIES
    assert annotations.ids == ("d", "e", "f")
    assert is_closed.tolist() == [True, False, False]
    assert annotations.category.tolist() == [0, 2, 3], "a clip without any event is background"
    assert annotations.segment.tolist() == [
        [3, 3, 0, 0, 0, 0, 0, 0, 0, 3],
        [3, 2, 2, 3, 3, 3, 3, 2, 2, 3],
        [3] * 10,
    ]
    assert annotations.weak.argmax(axis=1).tolist() == [0, 2, 3]


def test_a_network_is_measured_on_all_clips_and_on_closed_and_open_ones(ovavel):
    test = open_dataset(ovavel, "test", STREAMS, problem="localization").check()
    assert test.batch([0, 1]).streams["imagebind_audio"].shape == (2, 10, 6)
    problem = problem_named("localization")
    streams = {"audio_streams": dict(STREAMS.audio), "visual_streams": dict(STREAMS.visual)}
    torch.manual_seed(0)
    network = MMPyramidAVE(
        MMPyramidAVEConfig(labels=CATEGORIES, width=16, map_size=None, **streams)
    )
    report = problem.evaluate(network, test)
    assert set(report.clips) == {"argmax", "two_head"}
    argmax = report.clips["argmax"]
    assert {name: found.num_clips for name, found in argmax.items()} == {
        "total": 3,
        "closed": 1,
        "open": 2,
    }
    assert argmax["total"].accuracy == pytest.approx(report.all.argmax)
    mean = (argmax["closed"].event_f + 2 * argmax["open"].event_f) / 3
    assert argmax["total"].event_f == pytest.approx(mean)
    references = problem.references(test)
    nothing = references["background everywhere"].clips["any"]
    assert nothing["closed"].accuracy == pytest.approx(30)
    assert nothing["open"].accuracy == pytest.approx(80)
    table = problem.table({"network": report, **references}, "title")
    assert "network, two_head, open" in table
    written = json.loads(json.dumps(report.to_dict()))
    assert written["clips"]["argmax"]["total"]["accuracy"] == argmax["total"].accuracy
    assert "clips" not in replace(report, clips=None).to_dict()


@pytest.mark.slow
def test_the_recipe_trains_on_open_features(ovavel, tmp_path, capsys):
    for row, (*_, name, _) in enumerate(CLIPS):
        for stream, width in {"yamnet": 1024, "efficientnet_lite0": 1280}.items():
            (ovavel / "features" / stream).mkdir(exist_ok=True)
            values = np.random.default_rng(row).random((10, width), np.float32)
            np.save(ovavel / "features" / stream / f"{name}.npy", values)
    words = ("--data", str(ovavel), "--out", str(tmp_path), "--model.width", "16", "--epochs", "1")
    assert main(["train", "ov-avel", *words]) == 0
    assert main(["evaluate", str(tmp_path / "model"), "--data", str(ovavel)]) == 0
    shown = capsys.readouterr().out
    assert "model, two_head, open" in shown
    assert "background everywhere" in shown


def test_supervision(ovavel):
    weak = open_dataset(ovavel, "train", supervision=Supervision(kind="weak"))
    assert weak.weak.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    with pytest.raises(UserError, match="full or weak supervision"):
        open_dataset(ovavel, "train", supervision=Supervision(kind="proportion"))


WRONG = {
    "a category": (("test", "humming", "close", "d", "0" * 10), "unknown categories: 1 ('humming'"),
    "a short label": (("test", "race car", "open", "d", "01"), "not ten times 0 or 1: 1 ([0, 1]"),
    "a number": (("test", "race car", "open", "d", "0000000002"), "not ten times 0 or 1"),
    "a kind": (("test", "race car", "new", "d", "0" * 10), "not close or open: 1 ('new' at"),
    "twice": (("test", "race car", "open", "e", "0" * 10), "listed twice: 1 (e at"),
    "a name": (("test", "race car", "open", "a/b", "0" * 10), "cannot be those of files"),
}


@pytest.mark.parametrize("what", WRONG)
def test_mistakes(what, tmp_path):
    clip, message = WRONG[what]
    folder = tmp_path / "ov"
    clips = [*CLIPS, clip]
    if "/" in clip[3]:
        make(folder, CLIPS)
        path = folder / "meta_anno_files" / "ovave_dataset_meta.csv"
        path.write_text(path.read_text() + ",".join(clip[:4]) + "\n")
    else:
        make(folder, clips)
    with pytest.raises(UserError) as error:
        read_ovavel(folder, "test")
    assert message in str(error.value)


def test_files_that_are_missing_or_of_another_kind(ovavel, tmp_path):
    with pytest.raises(UserError, match="files of OV-AVEBench in"):
        read_ovavel(tmp_path, "test")
    meta = ovavel / "meta_anno_files"
    (meta / "ovave_total_close_open_categories.csv").write_text("arc welding\n")
    with pytest.raises(UserError, match="'other' on the last one"):
        read_ovavel(ovavel, "test")
    (meta / "ovave_total_close_open_categories.csv").unlink()
    with pytest.raises(UserError, match=r"found no ovave_total_close_open_categories\.csv"):
        read_ovavel(ovavel, "test")

"""One contract for every layout: how a folder is opened, what it gives, how often it is read."""

import dataclasses
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmpyramid.core import Modality
from mmpyramid.core.batch import Streams
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import Dataset, Layout, Supervision, open_dataset, register
from mmpyramid.datasets.base import LAYOUTS, find_layout
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit
from training import tiny_corpus, tiny_events

LLP_STREAMS = Streams(audio={"vggish": 128}, visual={"resnet152": 2048, "r2plus1d_18": 512})
AVE_STREAMS = Streams(audio={"vggish": 128}, visual={"vgg19": 512})


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, tuple[Path, Streams]]:
    folder = tmp_path_factory.mktemp("corpora")
    return {
        "LLP": (tiny_corpus.make(folder / "llp"), LLP_STREAMS),
        "AVE": (tiny_events.make(folder / "ave"), AVE_STREAMS),
    }


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["LLP", "AVE"])
def test_every_layout_keeps_the_contract(corpora, layout):
    data, streams = corpora[layout]
    test = open_dataset(data, "test", streams)
    assert isinstance(test, Dataset)
    assert layout in test.describe()
    assert test.simulated == (layout == "AVE")
    rows = [3, 0, 3]
    batch = test.batch(rows)
    T, C = test.num_segments, len(test.labels)
    assert batch.mask_BT.shape == (3, T)
    assert batch.weak_BC[0].tolist() == test.weak[3].tolist()
    audio_NTC, visual_NTC = test.masks
    assert audio_NTC.shape == visual_NTC.shape == (len(test), T, C)
    assert len(set(test.ids)) == len(test.ids) <= len(test)
    video = test.ids[0]
    for name, values in test.item(video).items():
        np.testing.assert_array_equal(test[0].streams[name][0], values)
    both_TC = audio_NTC[0] & visual_NTC[0]
    np.testing.assert_array_equal(test.truth(video)[Modality.AUDIO_VISUAL], both_TC)
    assert open_dataset(data, "test").masks[0].tolist() == audio_NTC.tolist()
    with pytest.raises(UserError, match="only annotations were opened"):
        open_dataset(data, "test").batch([0])


@pytest.mark.parametrize("layout", ["LLP", "AVE"])
def test_a_digest_is_of_the_content_and_not_of_the_place(corpora, tmp_path, layout):
    data, streams = corpora[layout]
    moved = Path(shutil.copytree(data, tmp_path / "moved"))
    digest = open_dataset(data, "val", streams).digest()
    assert open_dataset(moved, "val", streams).digest() == digest
    assert open_dataset(data, "test", streams).digest()["annotations"] != digest["annotations"]


def test_the_layout_of_another_problem_is_reported(corpora):
    with pytest.raises(UserError, match=r"layout of AVE in .*, got files of LLP \(AVVP_\*.csv"):
        open_dataset(corpora["LLP"][0], "test", problem="localization")
    with pytest.raises(UserError, match=r"layout of LLP in .*, got files of AVE \(Annotations.txt"):
        open_dataset(corpora["AVE"][0], "test", problem="parsing")


def test_a_problem_of_ones_own_reads_any_layout(corpora):
    for data, streams in corpora.values():
        assert len(open_dataset(data, "test", streams, problem="dense"))


def test_a_folder_of_several_layouts_is_read_for_the_problem(corpora, tmp_path):
    for data, _ in corpora.values():
        shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    for problem, layout in (("parsing", "LLP"), ("localization", "AVE")):
        assert find_layout(tmp_path, problem).name == layout


def test_nothing_at_all_says_which_files_are_missing(tmp_path):
    with pytest.raises(UserError, match=r"missing files: 1 \(AVVP_train.csv\)"):
        open_dataset(tmp_path, "train", problem="parsing")
    with pytest.raises(UserError, match=r"missing files: 2 \(Annotations.txt"):
        open_dataset(tmp_path, "train", problem="localization")


def test_a_layout_of_ones_own_is_registered(corpora, tmp_path, monkeypatch):
    data, streams = corpora["LLP"]
    monkeypatch.setattr("mmpyramid.datasets.base.LAYOUTS", dict(LAYOUTS))

    def elsewhere(folder, split, streams, **options):
        return open_dataset(Path((folder / "where.txt").read_text()), split, streams)

    register(Layout(name="elsewhere", files=("where.txt",), open=elsewhere))
    (tmp_path / "where.txt").write_text(str(data))
    found = open_dataset(tmp_path, "test", streams, problem="parsing")
    assert found.ids == open_dataset(data, "test").ids


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "files"),
    [("LLP", {"AVVP_train.csv": 1, "AVVP_val_pd.csv": 1}), ("AVE", {"Annotations.txt": 2})],
)
def test_a_run_reads_the_annotations_of_a_split_once(corpora, tmp_path, layout, files):
    data, _ = corpora[layout]
    opened = Counter()

    def count(event, arguments):
        if event == "open" and isinstance(arguments[0], str):
            opened[Path(arguments[0]).name] += 1

    config = RECIPES[layout.lower()]()
    config.model = dataclasses.replace(config.model, width=16)
    sys.addaudithook(count)  # It cannot be removed, and goes on counting for nobody.
    fit(dataclasses.replace(config, epochs=1), data, tmp_path / "run", progress=False)
    assert {name: opened[name] for name in files} == files


def test_supervision_decides_what_training_labels_say(corpora):
    data, _ = corpora["AVE"]
    full = open_dataset(data, "train")
    weak = open_dataset(data, "train", supervision=Supervision(kind="weak"))
    bare = Supervision(kind="weak", background_clips=False)
    assert len(weak) > len(full) == len(open_dataset(data, "train", supervision=bare))

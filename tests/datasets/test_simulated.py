"""Simulated features: the published layout, marked, reproducible, and following the labels."""

import numpy as np
import pytest

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.datasets import is_simulated
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.synthetic.planting import LLP_LIKE, plan_corpus
from mmpyramid.datasets.synthetic.simulated import planted_truth, simulate_features
from mmpyramid.store.npy import NpyFolder

SIZES = {"train": 4, "val": 2, "test": 3}
STREAMS = {"vggish": 128, "res152": 2048, "r2plus1d_18": 512}


def features(folder):
    files = sorted((folder / "feats").rglob("*.npy"))
    return {str(path.relative_to(folder)): np.load(path) for path in files}


def assert_equal_features(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return simulate_features(None, tmp_path_factory.mktemp("simulated"), sizes=SIZES)


def test_the_published_layout(corpus):
    stored = features(corpus)
    assert len(stored) == 3 * sum(SIZES.values())
    for name, values in stored.items():
        assert values.shape == (10, STREAMS[name.split("/")[1]])
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert values.min() == 0
        assert 0.4 < (values == 0).mean() < 0.8, name
    loaded = NpyFolder(corpus, num_segments=10).load(read_llp(corpus, "test").ids[0])
    assert loaded["resnet152"].shape == (10, 2048)


def test_frames_are_stored_on_request(tmp_path):
    folder = simulate_features(None, tmp_path / "frames", sizes=SIZES, per_frame=True)
    video_id = read_llp(folder, "val").ids[0]
    assert np.load(folder / "feats" / "res152" / f"{video_id}.npy").shape == (80, 2048)
    assert NpyFolder(folder, num_segments=10).load(video_id)["resnet152"].shape == (10, 2048)


def test_same_parameters_same_features(corpus, tmp_path):
    again = simulate_features(None, tmp_path / "again", sizes=SIZES)
    assert_equal_features(features(again), features(corpus))
    other = simulate_features(None, tmp_path / "other", sizes=SIZES, seed=1)
    assert not features(other).keys() & features(corpus).keys()


def test_a_subset_of_given_annotations_gets_the_same_features(corpus, tmp_path):
    stray = "stray_row_no\t0\t3\tDog\n"
    given = tmp_path / "given"
    given.mkdir()
    for path in corpus.glob("AVVP_*.csv"):
        (given / path.name).write_bytes(path.read_bytes())
    with (given / "AVVP_eval_audio.csv").open("a") as lines:
        lines.write(stray)
    whole = simulate_features(given, tmp_path / "whole")
    assert (whole / "AVVP_eval_audio.csv").read_text().endswith(stray)
    assert (whole / "AVVP_train.csv").read_bytes() == (given / "AVVP_train.csv").read_bytes()
    assert_equal_features(features(whole), features(corpus))
    fewer = simulate_features(given, tmp_path / "fewer", sizes={"train": 1, "val": 0, "test": 2})
    assert len(read_llp(fewer, "test")) == 2
    stored = features(fewer)
    assert len(stored) == 9
    assert_equal_features(stored, {name: features(whole)[name] for name in stored})


def test_real_annotations_get_features(shared, tmp_path):
    source = shared / "data" / "llp"
    folder = simulate_features(source, tmp_path / "llp", sizes={"train": 5, "val": 2, "test": 4})
    kept, real = read_llp(folder, "test"), read_llp(source, "test")
    assert kept.ids == real.ids[:4]
    np.testing.assert_array_equal(kept.audio, real.audio[:4])
    assert len(features(folder)) == 3 * 11


def test_the_folder_says_that_it_is_simulated(corpus, tmp_path):
    assert is_simulated(corpus)
    assert is_simulated(corpus / "feats")
    assert not is_simulated(tmp_path)
    assert "not extracted from videos" in (corpus / "SIMULATED.json").read_text()


def test_features_follow_the_labels(tmp_path):
    """With difficulty 0, a class mean learned on one half finds the class in the other half."""
    folder = simulate_features(
        None, tmp_path / "easy", sizes={"train": 0, "val": 0, "test": 300}, difficulty=0
    )
    test = read_llp(folder, "test")
    for stream, truth in (("vggish", test.audio), ("r2plus1d_18", test.visual)):
        values = np.stack([np.load(folder / "feats" / stream / f"{name}.npy") for name in test.ids])
        speech = truth[..., LLP_LABELS.index("Speech")]
        learned, asked = slice(0, 150), slice(150, 300)
        present = values[learned][speech[learned]].mean(axis=0)
        direction = present - values[learned][~speech[learned]].mean(axis=0)
        scores = values[asked] @ direction
        assert np.median(scores[speech[asked]]) > np.quantile(scores[~speech[asked]], 0.9), stream


def test_training_truth_covers_the_weak_labels_and_is_not_written(corpus):
    train = read_llp(corpus, "train")
    for row in range(len(train)):
        heard, seen = planted_truth(train, row, seed=0)
        np.testing.assert_array_equal((heard | seen).any(axis=0), train.weak[row])
    for name in ("AVVP_eval_audio.csv", "AVVP_eval_visual.csv"):
        text = (corpus / name).read_text()
        assert not any(video in text for video in train.names)


def test_llp_like_statistics(tmp_path):
    plans = plan_corpus({"test": 1500}, LLP_LABELS, LLP_LIKE)["test"]
    pairs = {(plan.filename, event.label) for plan in plans for event in plan.events}
    seconds = {modality: {} for modality in (Modality.AUDIO, Modality.VISUAL)}
    for plan in plans:
        for event in plan.events:
            key = (plan.filename, event.label)
            so_far = seconds[event.modality].get(key, 0)
            seconds[event.modality][key] = so_far + event.duration
    heard, seen = seconds.values()
    # LLP's test videos, 2,154 pairs of video and label: both 0.616, only seen 0.045; of the
    # pairs heard or seen, 0.41 and 0.62 are so for all ten seconds.
    assert len(heard.keys() & seen.keys()) / len(pairs) == pytest.approx(0.616, abs=0.03)
    assert len(seen.keys() - heard.keys()) / len(pairs) == pytest.approx(0.045, abs=0.02)
    assert np.mean(np.array(list(heard.values())) == 10) == pytest.approx(0.41, abs=0.04)
    assert np.mean(np.array(list(seen.values())) == 10) == pytest.approx(0.62, abs=0.04)


def test_wrong_input_is_told(corpus, tmp_path):
    with pytest.raises(UserError, match=r"difficulty within 0\.\.1"):
        simulate_features(None, tmp_path / "hard", difficulty=2)
    with pytest.raises(UserError, match="other parameters"):
        simulate_features(None, corpus, sizes=SIZES, seed=3)
    real = tmp_path / "real"
    (real / "feats").mkdir(parents=True)
    with pytest.raises(UserError, match="other files"):
        simulate_features(None, real)
    with pytest.raises(UserError, match="missing"):
        simulate_features(tmp_path / "nowhere", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UserError, match="expected splits out of train, val, test, got training"):
        simulate_features(None, tmp_path / "new", sizes={"training": 3, "val": -1})


def test_annotations_in_utf_16_get_the_same_features(corpus, tmp_path):
    """As spreadsheets save them as "Unicode text"."""
    source = tmp_path / "source"
    source.mkdir()
    for path in [*corpus.glob("*.csv"), corpus / "labels.txt"]:
        (source / path.name).write_text(path.read_text(), encoding="utf-16")
    ours = simulate_features(source, tmp_path / "new", sizes={"train": 2})
    theirs = features(corpus)
    for name, values in features(ours).items():
        np.testing.assert_array_equal(values, theirs[name])
    assert read_llp(ours, "train").names == read_llp(corpus, "train").names[:2]
    assert read_llp(ours, "test").names == read_llp(corpus, "test").names

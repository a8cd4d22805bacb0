"""UnAV-100 on files in its layout: exact times, seconds, rows of 0.32 s, mistakes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tiny_unav
from mmpyramid import Modality, UserError
from mmpyramid.core.batch import Streams
from mmpyramid.datasets import Supervision, open_dataset
from mmpyramid.datasets.segment_labels import SegmentLabels
from mmpyramid.datasets.unav import UnAVFeatures, read_unav, to_seconds

STREAMS = Streams(audio={"vggish": 128}, visual={"i3d_rgb": 1024, "i3d_flow": 1024})


@pytest.fixture(scope="module")
def unav(tmp_path_factory) -> Path:
    return tiny_unav.make(tmp_path_factory.mktemp("unav"))


def document(folder) -> dict:
    return json.loads((folder / "annotations" / "unav100_annotations.json").read_text())


def test_splits_and_exact_times(unav):
    known = document(unav)["database"]
    for split, subset in (("train", "train"), ("val", "validation"), ("test", "test")):
        dataset = open_dataset(unav, split)
        expected = [name for name, video in known.items() if video["subset"] == subset]
        assert list(dataset.ids) == expected
        assert dataset.labels == tiny_unav.LABELS
        times = [
            (name, event["label"], *event["segment"])
            for name in expected
            for event in known[name]["annotations"]
        ]
        found = [
            (dataset.ids[e.video], dataset.labels[e.label], e.start, e.end) for e in dataset.events
        ]
        assert found == times


def test_an_event_that_is_listed_twice_counts_once(unav, tmp_path):
    """Its times may differ by a millisecond, as in the released evaluator."""
    folder = shutil.copytree(unav, tmp_path / "copy")
    content = document(folder)
    video = content["database"]["test_0"]
    video["annotations"] = [
        {"segment": [start, end], "label": tiny_unav.LABELS[label], "label_id": label}
        for start, end, label in (
            (1, 3, 0),
            (1, 3, 0),
            (1.0004, 2.9995, 0),
            (1, 3, 1),
            (1.0014, 3, 0),
            (1, 3.002, 0),
        )
    ]
    (folder / "annotations" / "unav100_annotations.json").write_text(json.dumps(content))
    events = [event for event in open_dataset(folder, "test").events if event.video == 0]
    assert [event[1:] for event in events] == [(0, 1, 3), (1, 1, 3), (0, 1.0014, 3), (0, 1, 3.002)]


def test_batches_are_padded_and_their_truth_is_that_of_each_video(unav):
    dataset = open_dataset(unav, "test", STREAMS).check()
    batch = dataset.batch(range(8))
    assert batch.streams["vggish"].shape[::2] == (8, 128)
    assert batch.audio_BTC is batch.visual_BTC
    lengths = batch.mask_BT.sum(axis=1).tolist()
    assert len(set(lengths)) > 1
    masks = dataset.masks[0]
    for row, length in enumerate(lengths):
        truth_TC = dataset.truth(dataset.ids[row])[Modality.AUDIO_VISUAL]
        assert truth_TC.shape == (length, 3)
        assert np.array_equal(batch.audio_BTC[row, :length], truth_TC)
        assert not batch.audio_BTC[row, length:].any()
        assert np.array_equal(masks[row, :length], truth_TC)
        assert np.array_equal(batch.weak_BC[row] > 0, truth_TC.any(axis=0)), (
            "events of 2 s and more"
        )
    assert open_dataset(unav, "train", STREAMS).batch([0]).audio_BTC is not None
    assert set(dataset.digest()) == {"annotations", "features"}


def test_labels_of_all_videos_are_gathered_once_and_not_for_every_batch(unav):
    dataset = open_dataset(unav, "test", STREAMS)
    assert dataset.weak is dataset.weak
    assert dataset.events is dataset.events


def test_seconds_are_means_of_the_rows_in_their_middle():
    rows_RD = np.random.default_rng(0).random((30, 4)).astype(np.float32)
    seconds_TD = to_seconds(rows_RD)
    middle = (8 * np.arange(30) + 12) / 25
    assert len(seconds_TD) == int(middle[-1]) + 1
    for second, values_D in enumerate(seconds_TD):
        inside = (second <= middle) & (middle < second + 1)
        assert values_D == pytest.approx(rows_RD[inside].mean(axis=0), rel=1e-5)


def test_streams_are_cut_to_the_shortest(unav):
    source = UnAVFeatures(unav / "av_features")
    features = source.load("test_0")
    assert len({len(values) for values in features.values()}) == 1
    rgb = np.load(unav / "av_features" / "test_0_rgb.npy")
    vggish = np.load(unav / "av_features" / "test_0_vggish.npy")
    assert len(vggish) == len(rgb) + 1
    assert np.allclose(features["vggish"], to_seconds(vggish[: len(rgb)]))


def test_the_folders_of_the_released_code(unav, tmp_path):
    shutil.copytree(unav, tmp_path / "data" / "unav100")
    dataset = open_dataset(tmp_path, "test", STREAMS).check()
    assert len(dataset) == 8
    assert len(open_dataset(tmp_path / "data" / "unav100", "test")) == 8


def test_what_is_missing_or_damaged_is_told_at_once(unav, tmp_path):
    folder = shutil.copytree(unav, tmp_path / "copy")
    (folder / "av_features" / "test_0_rgb.npy").unlink()
    np.save(folder / "av_features" / "test_1_flow.npy", np.ones((5, 7), np.float32))
    np.save(folder / "av_features" / "test_2_vggish.npy", np.ones(5, np.float32))
    with pytest.raises(UserError, match=r"missing features: 1 .*wrong shapes: 2 "):
        open_dataset(folder, "test", STREAMS).check()
    with pytest.raises(UserError, match="expected features in"):
        open_dataset(folder, "test", STREAMS, features=tmp_path)


def change(video: dict, **fields: object) -> None:
    video.update(fields)


WRONG = {
    "a time beyond the end": (
        lambda v: v["annotations"][0].update(segment=[1, 99]),
        "times that are not within their video",
    ),
    "an event of no length": (
        lambda v: v["annotations"][0].update(segment=[1, 1]),
        "times that are not within their video",
    ),
    "another number": (
        lambda v: v["annotations"][0].update(label_id=7),
        "classes with several numbers",
    ),
    "a subset": (lambda v: change(v, subset="extra"), "unknown subsets: 1 ('extra' of train_"),
    "a duration": (lambda v: change(v, duration=0), "durations that are 0, negative or too long"),
    "text": (lambda v: change(v, duration="long"), "should be `float`"),
    "a segment of three": (
        lambda v: v["annotations"][0].update(segment=[1, 2, 3]),
        "the annotations of UnAV-100",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_mistakes(what, unav, tmp_path):
    damage, message = WRONG[what]
    data = document(unav)
    video = next(v for v in data["database"].values() if v["annotations"])
    damage(video)
    (tmp_path / "unav100_annotations.json").write_text(json.dumps(data))
    with pytest.raises(UserError) as error:
        read_unav(tmp_path, "train")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("labels", "flag"),
    [
        ({"refined": Path("refined.tsv")}, "leave --refined out"),
        ({"segments": SegmentLabels(folder=Path("labels"))}, "needs no --segment-labels"),
    ],
)
def test_labels_of_modalities_and_of_teachers_are_refused(unav, labels, flag):
    with pytest.raises(UserError, match=flag):
        open_dataset(unav, "train", STREAMS, supervision=Supervision(**labels))


def test_no_file_and_a_file_of_something_else(unav, tmp_path):
    with pytest.raises(UserError, match=r"expected unav100_annotations.json in"):
        read_unav(tmp_path, "test")
    (tmp_path / "unav100_annotations.json").write_text("{}")
    with pytest.raises(UserError, match="database"):
        open_dataset(tmp_path, "test")

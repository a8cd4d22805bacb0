"""LLP annotations: the real files' counts, and made-up files with the same dirt."""

import numpy as np
import pytest

from mmpyramid.core.batch import Streams
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.llp import Annotations, read_llp

SPLITS = ("train", "val", "test")
WEAK = {
    "AVVP_train.csv": [("BjCEufrlXm4_101.8_111.8", "Speech,Dog")],
    "AVVP_val_pd.csv": [("-_aaaaaaaa1_0_10", "Cat")],
    "AVVP_test_pd.csv": [
        ("KvIjsmANkxI_10_20", "Cat"),
        ("8DF2PxdT5tE_390_400", "Cheering,Speech"),
        ("a_b_c_d_e_f_30_40", "Dog,Dog"),
    ],
}
AUDIO = [
    ("KvIjsmANkxI_10_20`", 0, 1, "Cat"),
    ("Baby_cry_infant_cry", 0, 4, "Speech"),
    ("8DF2PxdT5tE_390_400", 9, 0, "Cheering"),
    ("8DF2PxdT5tE_390_400", 3, 3, "Speech"),
    ("8DF2PxdT5tE_390_400", 2, 5, "Speech"),
    ("8DF2PxdT5tE_390_400", 4, 10, "Speech"),
]
VISUAL = [("a_b_c_d_e_f_30_40", 0, 10, "Dog"), ("8DF2PxdT5tE_390_400", 1, 3, "Speech")]


def write_table(path, header, rows):
    lines = ["\t".join(map(str, row)) for row in [header, *rows]]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path):
    for file, rows in WEAK.items():
        write_table(tmp_path / file, ("filename", "event_labels"), rows)
    for file, rows in {"AVVP_eval_audio.csv": AUDIO, "AVVP_eval_visual.csv": VISUAL}.items():
        write_table(tmp_path / file, ("filename", "onset", "offset", "event_labels"), rows)
    return tmp_path


def test_ids_are_the_first_eleven_characters(folder):
    assert read_llp(folder, "test").ids == ("KvIjsmANkxI", "8DF2PxdT5tE", "a_b_c_d_e_f")
    assert read_llp(folder, "train").ids == ("BjCEufrlXm4",)
    assert read_llp(folder, "val").ids == ("-_aaaaaaaa1",)


def test_training_annotations_are_weak_only(folder):
    train = read_llp(folder, "train")
    assert (train.audio, train.visual, train.audio_visual) == (None, None, None)
    assert [LLP_LABELS[c] for c in np.flatnonzero(train.weak[0])] == ["Speech", "Dog"]
    assert train.num_segments == 10


def test_rows_are_slices_and_rows_about_other_videos_have_no_effect(folder):
    test = read_llp(folder, "test")
    speech = LLP_LABELS.index("Speech")
    assert np.flatnonzero(test.audio[1, :, speech]).tolist() == list(range(2, 10))
    assert test.audio.sum() == 8
    assert test.visual.sum() == 10 + 2
    assert test.audio_visual.sum() == 1
    assert test.weak[2].sum() == 1


def test_the_folder_may_hold_the_annotations_in_data(folder, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    folder.rename(outer / "data")
    assert len(read_llp(outer, "test")) == 3


def test_classes_come_from_the_argument_then_the_file_then_llp(folder):
    write_table(
        folder / "AVVP_val_pd.csv", ("filename", "event_labels"), [("x" * 11 + "_0_4", "B")]
    )
    for file in ("AVVP_eval_audio.csv", "AVVP_eval_visual.csv"):
        rows = [("x" * 11 + "_0_4", 1, 4, "B")]
        write_table(folder / file, ("filename", "onset", "offset", "event_labels"), rows)
    (folder / "labels.txt").write_text("A\nB\n")
    assert read_llp(folder, "val").weak.tolist() == [[0, 1]]
    assert read_llp(folder, "val", labels=["B", "C"]).audio[0].T.tolist() == [[0, 1, 1, 1], [0] * 4]
    with pytest.raises(UserError, match="unknown labels: 2"):
        read_llp(folder, "train")


def test_all_faults_are_told_together(folder):
    rows = [("a_b_c_d_e_f_0_10", f"Class{n}") for n in range(5)]
    rows += [("../up_0_10", "Dog")]
    write_table(folder / "AVVP_test_pd.csv", ("filename", "event_labels"), rows)
    rows = [("a_b_c_d_e_f_0_10", "x", "2.5", "Dog")]
    write_table(folder / "AVVP_eval_audio.csv", ("filename", "onset", "offset", "label"), [])
    write_table(
        folder / "AVVP_eval_visual.csv", ("filename", "onset", "offset", "event_labels"), rows
    )
    with pytest.raises(UserError) as caught:
        read_llp(folder, "test")
    message = str(caught.value)
    assert "unknown labels: 5 ('Class0' at AVVP_test_pd.csv line 2, " in message
    assert "ids that occur twice in AVVP_test_pd.csv: 4" in message
    assert "names that cannot be those of files: 1 ('../up_0_10')" in message
    assert "missing columns: 1 ('event_labels' in AVVP_eval_audio.csv)" in message
    assert "times that are not whole seconds: 1 (['x', '2.5'] at " in message


def test_commas_in_place_of_tabs_are_named(tmp_path):
    (tmp_path / "AVVP_train.csv").write_text("filename,event_labels\na_0_10,Dog,Speech\n")
    told = r"tables separated by commas instead of tabs: 1 \(AVVP_train\.csv\)"
    with pytest.raises(UserError, match=told):
        read_llp(tmp_path, "train")


NAMES = ["my holiday 3", "clip-12_0_8", "a long id of a clip_3_7", "été", "v_10_2", "2019_2"]


def write_any_names(folder, names=NAMES):
    weak = [(name, "Dog") for name in names]
    for file in ("AVVP_train.csv", "AVVP_test_pd.csv"):
        write_table(folder / file, ("filename", "event_labels"), weak)
    dense = [(name, 1, 12 if name == "my holiday 3" else 3, "Dog") for name in names]
    for file in ("AVVP_eval_audio.csv", "AVVP_eval_visual.csv"):
        write_table(folder / file, ("filename", "onset", "offset", "event_labels"), dense)


def test_any_name_of_a_file_is_an_id(tmp_path):
    write_any_names(tmp_path)
    test = read_llp(tmp_path, "test")
    expected = ("my holiday 3", "clip-12", "a long id of a clip", "été", "v_10_2", "2019_2")
    assert test.ids == expected
    assert test.names == tuple(NAMES)
    assert test.num_segments == 12
    assert test.audio.sum(axis=(1, 2)).tolist() == [11, 2, 2, 2, 2, 2]
    assert read_llp(tmp_path, "train").num_segments == 10


def test_the_length_of_a_video_without_a_cut_is_that_of_its_features(tmp_path):
    write_any_names(tmp_path)
    for name in read_llp(tmp_path, "train").ids:
        path = tmp_path / "features" / "yamnet" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.ones((17 if name == "été" else 5, 1024), np.float32))
    streams = Streams(audio={"yamnet": 1024}, visual={})
    train = open_dataset(tmp_path, "train", streams)
    assert train.num_segments == 17
    assert train.batch([0, 3]).mask_BT.sum(1).tolist() == [5, 17]


@pytest.mark.parametrize("name", ["../up", "a/b_0_10", "a\\b", "..", "a\tb_0_10", "", "x" * 300])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    write_any_names(tmp_path, ["fine", name.replace("\t", "\x07")])
    with pytest.raises(UserError, match="names that cannot be those of files: 1"):
        read_llp(tmp_path, "train")


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1"])
def test_a_table_in_another_encoding_is_named(folder, encoding):
    text = "filename\tevent_labels\nété_0_10\tDog\n"
    (folder / "AVVP_train.csv").write_text(text, encoding=encoding)
    with pytest.raises(UserError, match=r"AVVP_train.csv: line [12]: .*save it as UTF-8"):
        read_llp(folder, "train")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"missing files: 3 \(AVVP_val_pd.csv, AVVP_eval_audio"):
        read_llp(tmp_path, "val")


def test_a_folder_of_both_layouts_is_read(folder):
    (folder / "Annotations.txt").write_text("Bark&bbbbbbbbbbb&good&6&8\n")
    assert len(read_llp(folder, "test")) == 3


def test_shapes_are_checked_at_birth():
    with pytest.raises(UserError, match=r"need `audio` of shape \(1, 10, 2\), got \(1, 9, 2\)"):
        Annotations(
            ids=("a",),
            names=("a",),
            labels=("x", "y"),
            num_segments=10,
            weak=np.zeros((1, 2), np.float32),
            audio=np.zeros((1, 9, 2), bool),
        )


@pytest.fixture(scope="module")
def real(shared):
    return {split: read_llp(shared / "data" / "llp", split) for split in SPLITS}


def test_real_rows(real):
    assert [len(real[split]) for split in SPLITS] == [10_000, 649, 1_200]
    assert {real[split].num_segments for split in SPLITS} == {10}
    assert real["test"].names[:2] == ("4YdbENYcIyE_23_33", "KSRjje7GH44_60_70")
    assert len({video for split in SPLITS for video in real[split].ids}) == 11_849


def test_real_labels_per_video(real):
    per_video = {split: real[split].weak.sum(1).astype(int) for split in SPLITS}
    assert np.bincount(per_video["train"]).tolist() == [0, 4_032, 5_879, 89]
    assert np.bincount(per_video["val"]).tolist() == [0, 212, 367, 56, 14]
    # One row of the test split says Clapping twice, hence 404 and 649 instead of 403 and 650.
    assert np.bincount(per_video["test"]).tolist() == [0, 404, 649, 118, 25, 3, 0, 1]
    everything = np.concatenate(list(per_video.values()))
    assert everything.mean() == pytest.approx(1.638, abs=5e-4)


def test_real_segments(real):
    test = real["test"]
    positives = [int(truth.sum()) for truth in (test.audio, test.visual, test.audio_visual)]
    assert positives == [14_576, 11_789, 9_592]


@pytest.mark.parametrize(("split", "expected"), [("val", (4, 70, 93)), ("test", (6, 121, 174))])
def test_real_videos_without_events(real, split, expected):
    found = real[split]
    truths = (found.audio, found.visual, found.audio_visual)
    assert tuple(int((~truth.any((1, 2))).sum()) for truth in truths) == expected


@pytest.mark.parametrize(("split", "expected"), [("val", 31), ("test", 53)])
def test_real_weak_labels_differ_from_the_union_of_dense_ones(real, split, expected):
    found = real[split]
    union = (found.audio | found.visual).any(1)
    assert int((union != found.weak.astype(bool)).any(1).sum()) == expected


@pytest.mark.parametrize(
    ("split", "expected"), [("val", (1_440, 856, 872)), ("test", (2_638, 1_625, 1_617))]
)
def test_real_events(real, split, expected):
    found = real[split]
    counts = []
    for truth in (found.audio, found.visual, found.audio_visual):
        before = np.pad(truth, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        counts.append(int((truth & ~before).sum()))
    assert tuple(counts) == expected

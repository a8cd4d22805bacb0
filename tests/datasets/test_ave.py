"""AVE annotations: the real files' counts, and made-up files with every kind of fault."""

from collections import Counter

import h5py
import numpy as np
import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.datasets.ave import EventAnnotations, read_ave
from mmpyramid.datasets.ave_files import verify_ave

SPLITS = ("train", "val", "test")
LINES = (
    "Church bell&aaaaaaaaaaa&good&0&10",
    "Bark&bbbbbbbbbbb&good&6&8",
    "Bark&ccccccccccc&good&0&0",
    "Mandolin&aaaaaaaaaaa&good&3&10",
)
ORDERS = {"train": [3, 1], "val": [0], "test": [2]}
BARK, MANDOLIN, BACKGROUND = 2, 27, 28


def write_h5(path, values, key="order"):
    with h5py.File(path, "w") as file:
        file[key] = values


def write_lines(folder, *lines):
    (folder / "Annotations.txt").write_text("".join(f"{line}\n" for line in lines))


def is_shorter(annotations):
    """Which events are shorter than their clips."""
    return (annotations.segment == annotations.background).any(axis=1)


def one_hot(*classes):
    return np.eye(29, dtype=np.float32)[list(classes)]


@pytest.fixture
def folder(tmp_path):
    write_lines(tmp_path, *LINES)
    for split, rows in ORDERS.items():
        write_h5(tmp_path / f"{split}_order.h5", np.array(rows))
    write_h5(tmp_path / "labels_noisy.h5", one_hot(BACKGROUND, BACKGROUND, BACKGROUND))
    return tmp_path


def test_clips_come_in_the_order_of_the_order_file(folder):
    train = read_ave(folder, "train")
    assert train.ids == ("aaaaaaaaaaa", "bbbbbbbbbbb")
    assert train.rows.tolist() == [3, 1]
    assert train.category.tolist() == [MANDOLIN, BARK]
    assert train.segment.tolist() == [
        [BACKGROUND] * 3 + [MANDOLIN] * 7,
        [BACKGROUND] * 6 + [BARK] * 2 + [BACKGROUND] * 2,
    ]
    np.testing.assert_array_equal(train.weak, one_hot(MANDOLIN, BARK))
    assert train.labels == AVE_LABELS
    assert is_shorter(train).tolist() == [True, True]
    assert not train.noisy.any()
    assert [a.dtype for a in (train.rows, train.category, train.segment)] == [np.int64] * 3
    assert train.weak.dtype == np.float32


def test_an_empty_event_is_all_background_yet_of_its_category(folder):
    test = read_ave(folder, "test")
    assert test.segment.tolist() == [[BACKGROUND] * 10]
    assert test.category.tolist() == [BARK]
    np.testing.assert_array_equal(test.weak, one_hot(BARK))
    assert is_shorter(test).tolist() == [True]
    assert is_shorter(read_ave(folder, "val")).tolist() == [False]


def test_weak_training_adds_the_background_clips(folder):
    weak = read_ave(folder, "train", "weak")
    assert weak.ids == ("aaaaaaaaaaa", "bbbbbbbbbbb", "noisy_0", "noisy_1", "noisy_2")
    assert weak.rows.tolist() == [3, 1, 0, 1, 2]
    assert weak.noisy.tolist() == [False, False, True, True, True]
    assert weak.category.tolist() == [MANDOLIN, BARK] + [BACKGROUND] * 3
    np.testing.assert_array_equal(weak.weak, one_hot(MANDOLIN, BARK, *[BACKGROUND] * 3))
    assert (weak.segment[2:] == BACKGROUND).all()
    without = read_ave(folder, "train", "weak", background_clips=False)
    np.testing.assert_array_equal(without.weak, one_hot(MANDOLIN, BARK))


def test_proportions_are_shares_of_the_clip(folder):
    targets = read_ave(folder, "train", "proportion").weak
    expected = np.zeros((5, 29))
    expected[[0, 0, 1, 1], [MANDOLIN, BACKGROUND, BARK, BACKGROUND]] = [0.7, 0.3, 0.2, 0.8]
    expected[2:, BACKGROUND] = 1
    np.testing.assert_allclose(targets, expected, atol=1e-7)


def test_supervision_matters_for_training_only(folder):
    for supervision in ("weak", "proportion"):
        val = read_ave(folder, "val", supervision)
        assert not val.noisy.any()
        np.testing.assert_array_equal(val.weak, one_hot(0))


def test_the_folder_may_hold_the_annotations_in_data(folder, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    folder.rename(outer / "data")
    assert read_ave(outer, "val").ids == ("aaaaaaaaaaa",)
    write_h5(outer / "data" / "mil_labels.h5", one_hot(0, BARK, BARK, MANDOLIN))
    assert verify_ave(outer) == ("mil_labels.h5",)


def test_the_header_of_the_original_release_is_no_clip(folder):
    write_lines(folder, "Category&VideoID&Quality&StartTime&EndTime", *LINES)
    assert read_ave(folder, "train").ids == ("aaaaaaaaaaa", "bbbbbbbbbbb")
    write_lines(folder, "Category&VideoID&Quality&StartTime&EndTime", *LINES[:3], "Moo&d&good&1&2")
    with pytest.raises(UserError, match=r"unknown categories: 1 \('Moo' at line 5\)"):
        read_ave(folder, "train")


def test_classes_come_from_the_argument_then_the_file_then_ave(folder):
    (folder / "labels.txt").write_text("Mandolin\nBark\nChurch bell\n")
    assert read_ave(folder, "train").category.tolist() == [0, 1]
    labels = ("Bark", "Mandolin", "Church bell", "Moo")
    assert read_ave(folder, "train", labels=labels).category.tolist() == [1, 0]
    (folder / "labels.txt").write_text("Mandolin\n")
    with pytest.raises(UserError, match=r"unknown categories: 3 .* list your own classes in .*txt"):
        read_ave(folder, "train")


def test_clips_of_another_length(folder):
    assert read_ave(folder, "train", num_segments=12).segment.shape == (2, 12)
    with pytest.raises(
        UserError, match=r"within the 9 s of a clip: 2 \(0\.\.10 at line 1, 3\.\.10"
    ):
        read_ave(folder, "train", num_segments=9)


def test_all_faults_are_told_together(folder):
    write_lines(
        folder,
        "Church bell&aaaaaaaaaaa&0&10",
        "Moo&bbbbbbbbbbb&good&6&8",
        "Bark&ccccccccccc&good&0.5&x",
        "Bark&ddddddddddd&good&3&11",
        "Bark&eeeeeeeeeee&good&7&4",
        "",
        "Bark&fffffffffff&good&-1&4",
    )
    write_h5(folder / "train_order.h5", np.array([0, 7, 1, 1, -1]))
    write_h5(folder / "labels_noisy.h5", one_hot(BACKGROUND, BARK))
    with pytest.raises(UserError) as caught:
        read_ave(folder, "train", "weak")
    message = str(caught.value)
    assert (
        "lines that are not Category&VideoID&Quality&StartTime&EndTime: 2 "
        "('Church bell&aaaaaaaaaaa&0&10' at line 1, '' at line 6)"
    ) in message
    assert "unknown categories: 1 ('Moo' at line 2)" in message
    assert "times that are not whole seconds: 2 (0.5..x at line 3, -1..4 at line 7)" in message
    assert "the 10 s of a clip: 2 (3..11 at line 4, 7..4 at line 5)" in message
    assert "none of the 7 clips: 2 (7 in train_order.h5, -1 in train_order.h5)" in message
    assert "entries that occur twice: 1 (1 in train_order.h5)" in message
    assert "labeled otherwise: 1 (row 1 in the noisy set)" in message
    assert "background_clips=False" in message


def test_missing_and_damaged_files_are_named(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(UserError, match=r"missing files: 2 \(Annotations.txt, val_order.h5\)"):
        read_ave(empty, "val")
    (folder / "val_order.h5").write_bytes(b"cut short")
    with pytest.raises(UserError, match=r"unreadable files: 1 .*cut short, fetch it again"):
        read_ave(folder, "val")
    write_h5(folder / "test_order.h5", np.array([[0.5]]))
    with pytest.raises(UserError, match=r"not lists of integers: 1 \(\(1, 1\) in test_order.h5\)"):
        read_ave(folder, "test")
    write_h5(folder / "labels_noisy.h5", one_hot(BACKGROUND)[:, 1:])
    with pytest.raises(UserError, match=r"\(1, 28\) in labels_noisy.h5, not \(K, 29\)"):
        read_ave(folder, "train", "weak")
    (folder / "labels_noisy.h5").unlink()
    with pytest.raises(UserError, match=r"labels_noisy.h5\).*: background_clips=False"):
        read_ave(folder, "train", "weak")


def test_a_file_with_two_datasets_is_refused(folder):
    with h5py.File(folder / "val_order.h5", "a") as file:
        file["more"] = [1]
    with pytest.raises(UserError, match=r"one dataset in .*val_order.h5, got 2 \(more, order\)"):
        read_ave(folder, "val")


def test_label_files_are_compared_with_the_annotations(folder):
    mil = one_hot(0, BARK, BARK, MANDOLIN)
    write_h5(folder / "mil_labels.h5", mil, key="avadataset")
    shares = np.zeros((4, 29))
    shares[range(4), [0, BARK, BARK, MANDOLIN]] = [1, 0.2, 0, 0.7]
    shares[:, BACKGROUND] = [0, 0.8, 1, 1 - 0.7]
    write_h5(folder / "prob_label.h5", shares)
    assert verify_ave(folder) == ("mil_labels.h5", "prob_label.h5")
    write_h5(folder / "mil_labels.h5", mil[[0, 1, 3, 2]])
    write_h5(folder / "labels.h5", np.zeros((4, 9, 29)))
    with pytest.raises(UserError) as caught:
        verify_ave(folder)
    assert "labels that differ: 1 (2 rows of mil_labels.h5, first 2, 3)" in str(caught.value)
    assert "wrong shapes: 1 ((4, 9, 29) in labels.h5, not (4, 10, 29))" in str(caught.value)


def test_a_clip_in_two_splits_is_told(folder):
    write_h5(folder / "test_order.h5", np.array([2, 3]))
    with pytest.raises(UserError, match=r"clips in two splits: 1 \(3 in train_order.h5 and test\)"):
        verify_ave(folder)


def test_shapes_are_checked_at_birth():
    with pytest.raises(UserError, match=r"need `segment` of shape \(1, 10\), got \(1, 9\)"):
        EventAnnotations(
            ids=("a",),
            rows=np.zeros(1, np.int64),
            labels=("x", "y"),
            num_segments=10,
            category=np.zeros(1, np.int64),
            segment=np.zeros((1, 9), np.int64),
            weak=np.zeros((1, 3), np.float32),
            noisy=np.zeros(1, bool),
        )


@pytest.fixture(scope="module")
def real(shared):
    return {split: read_ave(shared / "data" / "ave", split) for split in SPLITS}


def test_real_label_files_equal_the_rebuilt_ones(shared, tmp_path):
    folder = shared / "data" / "ave"
    assert verify_ave(folder) == ("mil_labels.h5",)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with h5py.File(tmp_path / "mil_labels.h5", "r+") as file:
        file["avadataset"][4142, 27] = 0
    with pytest.raises(UserError, match=r"1 rows of mil_labels.h5, first 4142"):
        verify_ave(tmp_path)


def test_real_splits_are_disjoint_and_complete(real):
    rows = np.concatenate([real[split].rows for split in SPLITS])
    assert [len(real[split]) for split in SPLITS] == [3_339, 402, 402]
    np.testing.assert_array_equal(np.sort(rows), np.arange(4_143))


@pytest.mark.parametrize(
    ("split", "seconds", "subset", "background"),
    [
        ("train", [1, 0, 172, 174, 169, 152, 165, 114, 90, 71, 2_231], 1_108, 5_631),
        ("val", [0, 0, 23, 20, 27, 17, 22, 14, 10, 11, 258], 144, 732),
        ("test", [0, 0, 19, 26, 21, 27, 13, 11, 11, 13, 261], 141, 715),
    ],
)
def test_real_lengths(real, split, seconds, subset, background):
    annotations = real[split]
    lasting = (annotations.segment != BACKGROUND).sum(axis=1)
    assert np.bincount(lasting, minlength=11).tolist() == seconds
    assert is_shorter(annotations).sum() == subset
    assert (annotations.segment == BACKGROUND).sum() == background


def test_the_real_empty_event(real):
    clip = real["train"].rows.tolist().index(26)
    assert real["train"].ids[clip] == "VWi2ENBuTbw"
    assert (real["train"].segment[clip] == BACKGROUND).all()
    assert real["train"].category[clip] == AVE_LABELS.index("Church bell")


def test_real_categories(real):
    category = np.concatenate([real[split].category for split in SPLITS])
    rows = np.concatenate([real[split].rows for split in SPLITS])
    by_line = category[np.argsort(rows)]
    _, first = np.unique(by_line, return_index=True)
    assert (np.diff(first) > 0).all()
    sizes = np.bincount(by_line, minlength=28)
    assert (sizes.min(), sizes.max()) == (60, 188)
    assert (sizes[AVE_LABELS.index("Cat")], sizes[AVE_LABELS.index("Church bell")]) == (60, 188)


def test_real_ids_that_occur_twice(real):
    clips = {(i, c) for s in SPLITS for i, c in zip(real[s].ids, real[s].category, strict=True)}
    assert len(clips) == 4_143
    lines = Counter(video for split in SPLITS for video in real[split].ids)
    assert len(lines) == 4_097
    assert Counter(lines.values()) == {1: 4_052, 2: 44, 3: 1}
    ids = {split: set(real[split].ids) for split in SPLITS}
    assert (len(ids["train"] & ids["val"]), len(ids["train"] & ids["test"])) == (10, 8)


def test_the_real_noisy_set(shared):
    weak = read_ave(shared / "data" / "ave", "train", "weak")
    assert (len(weak), weak.noisy.sum()) == (3_517, 178)
    assert weak.weak[~weak.noisy, BACKGROUND].sum() == 0
    assert weak.weak[weak.noisy, BACKGROUND].sum() == 178
    proportion = read_ave(shared / "data" / "ave", "train", "proportion")
    clip = proportion.rows.tolist().index(1)
    assert proportion.weak[clip].argmax() == BACKGROUND
    np.testing.assert_allclose(proportion.weak.sum(axis=1), 1, atol=1e-6)


def test_an_id_that_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "Annotations.txt").write_text("Bark&../../up&good&6&8\n")
    with pytest.raises(UserError, match=r"names of files: 1 \('../../up' at line 1\)"):
        read_ave(tmp_path, "train")

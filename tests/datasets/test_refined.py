"""Modality-aware labels are a readable file that comes back as it went."""

from dataclasses import replace

import numpy as np
import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.llp import Annotations
from mmpyramid.datasets.refined import read_refined, write_refined

NAMES = ("aaaaaaaaaaa_0_10", "bbbbbbbbbbb_0_10", 'quote"ccccc_0_10')
ANNOTATIONS = Annotations(
    ids=tuple(name[:11] for name in NAMES),
    names=NAMES,
    labels=("Dog", "Cat"),
    num_segments=10,
    weak=np.array([[1, 1], [0, 1], [1, 0]], np.float32),
)
MODALITY_NMC = np.array([[[1, 1], [0, 1]], [[0, 0], [0, 1]], [[0, 0], [0, 0]]], np.float32)


@pytest.fixture
def path(tmp_path):
    write_refined(tmp_path / "refined.tsv", ANNOTATIONS, MODALITY_NMC)
    return tmp_path / "refined.tsv"


def test_the_file_is_readable(path):
    assert path.read_text().splitlines() == [
        "filename\taudio_labels\tvisual_labels",
        "aaaaaaaaaaa_0_10\tDog,Cat\tCat",
        "bbbbbbbbbbb_0_10\t\tCat",
        'quote"ccccc_0_10\t\t',
    ]


def test_round_trip_in_any_order(path):
    np.testing.assert_array_equal(read_refined(path, ANNOTATIONS), MODALITY_NMC)
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(rows)]) + "\n")
    np.testing.assert_array_equal(read_refined(path, ANNOTATIONS), MODALITY_NMC)


def test_labels_with_commas_and_quotes_come_back(tmp_path):
    named = replace(ANNOTATIONS, labels=('dog, "big"', 'a "cat'))
    write_refined(tmp_path / "refined.tsv", named, MODALITY_NMC)
    np.testing.assert_array_equal(read_refined(tmp_path / "refined.tsv", named), MODALITY_NMC)


@pytest.mark.parametrize("cell", ['"Cat', '"Cat"x'])
def test_a_quote_that_is_left_open_names_no_label_of_the_video(path, cell):
    path.write_text(path.read_text().replace("\t\tCat", f"\t\t{cell}x"))
    with pytest.raises(UserError, match="labels that the video does not have: 1"):
        read_refined(path, ANNOTATIONS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("aaaaaaaaaaa", "zzzzzzzzzzz", "videos of another split: 1"),
        ("aaaaaaaaaaa", "zzzzzzzzzzz", "missing videos: 1"),
        ("bbbbbbbbbbb", "aaaaaaaaaaa", "videos that occur twice: 1"),
        ("\t\tCat", "\tDog\tCat", "labels that the video does not have: 1"),
        ("\t\tCat", "\t\tCow", "'Cow' at line 3"),
        (
            "audio_labels",
            "heard",
            "line 1: expected the columns filename, audio_labels, visual_labels",
        ),
    ],
)
def test_mistakes_in_the_file_are_told(path, old, new, message):
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        read_refined(path, ANNOTATIONS)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"absent\.tsv: No such file"):
        read_refined(tmp_path / "absent.tsv", ANNOTATIONS)

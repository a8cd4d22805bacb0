"""MA's published list of removed labels: its layout, written here by PyTorch."""

import os
import pickle

import numpy as np
import pytest
import torch

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.refined import read_refined
from training import tiny_corpus


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return read_llp(tiny_corpus.make(tmp_path_factory.mktemp("corpus")), "train")


def rows_of(train, label, *which):
    """Elements of one tensor, which share its storage as in the published file."""
    rows = torch.from_numpy(np.flatnonzero(train.weak[:, label]))
    return [rows[index] for index in which]


def write(path, value):
    path.write_bytes(pickle.dumps(value, protocol=4))
    return path


def test_what_was_removed_is_0_in_its_modality(train, tmp_path):
    visual = [rows_of(train, 0, 2, 0), [], rows_of(train, 2, 5)]
    audio = [rows_of(train, 0, 0), rows_of(train, 1, 1), []]
    labels_NMC = read_refined(write(tmp_path / "need_to_change.pkl", [visual, audio]), train)
    expected = np.stack((train.weak, train.weak), axis=1)
    for side, classes in ((1, visual), (0, audio)):
        for column, rows in enumerate(classes):
            for row in rows:
                expected[row.item(), side, column] = 0
    assert (expected != np.stack((train.weak, train.weak), axis=1)).sum() == 5
    np.testing.assert_array_equal(labels_NMC, expected)


class Evil:
    """Runs a program when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_of_a_pickle_runs(train, tmp_path):
    path = write(tmp_path / "evil.pkl", [[[Evil(tmp_path / "made")], [], []], [[], [], []]])
    with pytest.raises(UserError, match=r"it names (posix|nt)\.mkdir"):
        read_refined(path, train)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[[], [], []]], "2 x 3 lists of rows"),
        ([[[]] * 3, [[]] * 2], "2 x 3 lists of rows"),
        ([[[torch.tensor(0)], [], []], [[torch.tensor(10**6)], [], []]], "such as in row 1000000"),
        ([[[], [torch.tensor(0)], []], [[], [], []]], "such as in row 0"),
        ([[[torch.tensor([0, 1])], [], []], [[], [], []]], "expected lists of rows"),
        ("text", "expected lists of rows"),
        (5, "expected lists of rows"),
    ],
)
def test_other_pickles_are_refused(train, tmp_path, value, message):
    with pytest.raises(UserError, match=message):
        read_refined(write(tmp_path / "other.pkl", value), train)


def test_a_cut_file_is_refused(train, tmp_path):
    visual = [rows_of(train, 0, 2, 0), [], []]
    whole = write(tmp_path / "whole.pkl", [visual, [[], [], []]]).read_bytes()
    for size in range(1, len(whole), 37):
        (tmp_path / "cut.pkl").write_bytes(whole[:size])
        with pytest.raises(UserError, match="expected lists of rows"):
            read_refined(tmp_path / "cut.pkl", train)

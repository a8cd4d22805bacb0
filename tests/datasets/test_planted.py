"""Removals are judged against what was planted."""

import numpy as np

from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.synthetic.simulated import (
    judge_removals,
    planted_modalities,
    simulate_features,
)


def test_planted_classes_are_the_weak_labels_and_some_are_in_one_modality_only(tmp_path):
    folder = simulate_features(
        None, tmp_path / "sim", sizes={"train": 60, "val": 5, "test": 5}, seed=4
    )
    train, val = read_llp(folder, "train"), read_llp(folder, "val")
    planted_NMC = planted_modalities(folder, train)
    np.testing.assert_array_equal(planted_NMC.any(axis=1), train.weak > 0)
    assert (planted_NMC[:, 0] != planted_NMC[:, 1]).any()
    np.testing.assert_array_equal(planted_modalities(folder, val)[:, 0], val.truth[0].any(1))


def test_precision_and_recall_of_removals():
    weak_NC = np.array([[1, 1, 0], [1, 0, 1]], np.float32)
    planted_NMC = np.array([[[1, 0, 0], [1, 1, 0]], [[1, 0, 0], [0, 0, 1]]], bool)
    refined_NMC = np.array([[[0, 0, 0], [1, 1, 0]], [[1, 0, 1], [0, 0, 1]]], np.float32)
    audio, visual = judge_removals(weak_NC, refined_NMC, planted_NMC)
    assert (audio.removed, audio.right, audio.wrong_labels) == (2, 1, 2)
    assert (visual.removed, visual.right, visual.wrong_labels) == (1, 1, 1)
    assert str(audio) == (
        "2 labels removed, 50.0 % of them rightly; 50.0 % of the 2 wrong labels found"
    )

import numpy as np
import pytest

from mmpyramid.problems import LocalizationProblem, ParsingProblem
from mmpyramid.problems.parsing import parsing_report


def test_the_means_over_videos_are_the_official_numbers():
    masks_4NTC = np.random.default_rng(0).random((4, 30, 10, 5)) < 0.3
    report = parsing_report(*masks_4NTC).to_dict()
    videos = [
        ParsingProblem().video_scores((a, v), (A, V)) for a, v, A, V in masks_4NTC.swapaxes(0, 1)
    ]
    for level, measures in report.items():
        for measure, value in measures.items():
            assert np.mean([video[level][measure] for video in videos]) == pytest.approx(value)


def test_a_segment_is_right_by_its_category_or_by_silence():
    truth_TC = np.array([[1, 0], [1, 0], [0, 0], [0, 0], [1, 1]], np.bool_)
    predicted_TC = np.array([[1, 0], [0, 1], [0, 0], [1, 0], [0, 1]], np.bool_)
    assert LocalizationProblem().video_scores((predicted_TC,) * 2, (truth_TC,) * 2) == {
        "segment": {"accuracy": 60.0}
    }

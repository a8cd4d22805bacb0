import numpy as np
import pytest

from mmpyramid.problems.parsing import parsing_report
from mmpyramid.problems.per_video import localization_scores, parsing_scores


def test_the_means_over_videos_are_the_official_numbers():
    masks_4NTC = np.random.default_rng(0).random((4, 30, 10, 5)) < 0.3
    report = parsing_report(*masks_4NTC).to_dict()
    videos = [parsing_scores((a, v), (A, V)) for a, v, A, V in masks_4NTC.swapaxes(0, 1)]
    for level, measures in report.items():
        for measure, value in measures.items():
            assert np.mean([video[level][measure] for video in videos]) == pytest.approx(value)


def test_a_segment_is_right_by_its_category_or_by_silence():
    truth_TC = np.array([[1, 0], [1, 0], [0, 0], [0, 0], [1, 1]], np.bool_)
    predicted_TC = np.array([[1, 0], [0, 1], [0, 0], [1, 0], [0, 1]], np.bool_)
    assert localization_scores(predicted_TC, truth_TC) == {"segment": {"accuracy": 60.0}}

"""From probabilities to masks: thresholds and the two gates."""

import numpy as np
import pytest

from mmpyramid import UserError
from mmpyramid.problems.parsing import llp_masks

# One video, two segments, two classes.
AUDIO = np.array([[[0.9, 0.9], [0.5, 0.3]]], dtype=np.float32)
VISUAL = np.array([[[0.6, 0.2], [0.4, 0.8]]], dtype=np.float32)
VIDEO = np.array([[0.5, 0.49]], dtype=np.float32)


def positives(masks):
    return [each[0].astype(int).tolist() for each in masks]


def test_the_global_gate_closes_a_class_in_both_streams_and_reaching_counts():
    assert positives(llp_masks(AUDIO, VISUAL, VIDEO)) == [[[1, 0], [1, 0]], [[1, 0], [0, 0]]]


def test_the_gate_of_each_modality_ignores_the_global_one():
    masks = llp_masks(
        AUDIO,
        VISUAL,
        np.zeros_like(VIDEO),
        gate="per_modality",
        video_audio=np.array([[0.4, 0.6]]),
        video_visual=np.array([[0.6, 0.7]]),
    )
    assert positives(masks) == [[[0, 1], [0, 0]], [[1, 0], [0, 1]]]


def test_thresholds_by_modality_and_by_class():
    open_video = np.ones_like(VIDEO)
    masks = llp_masks(AUDIO, VISUAL, open_video, threshold=(0.3, 0.6))
    assert positives(masks) == [[[1, 1], [1, 1]], [[1, 0], [0, 1]]]
    masks = llp_masks(AUDIO, VISUAL, open_video, threshold=(np.array([0.6, 0.95]), 0.8))
    assert positives(masks) == [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]
    masks = llp_masks(AUDIO, VISUAL, VIDEO, video_threshold=(0.45, np.array([0.7, 0.25])))
    assert positives(masks) == [[[1, 1], [1, 0]], [[0, 0], [0, 1]]]


@pytest.mark.parametrize("limit", [0.45, np.array([0.45])], ids=["number", "per class"])
def test_a_float32_probability_reaches_the_same_number_in_float64(limit):
    # float32(0.45) is below 0.45; the released code compares in float32.
    segment, video = np.full((1, 1, 1), 0.45, np.float32), np.full((1, 1), 0.45, np.float32)
    masks = llp_masks(segment, segment, video, threshold=limit, video_threshold=limit)
    assert positives(masks) == [[[1]], [[1]]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gate": "local"}, "`global` or `per_modality`, got `local`"),
        ({"gate": "per_modality"}, "`video_audio` and `video_visual`"),
        ({"threshold": 1.5}, r"threshold within 0\.\.1.*got 1\.5"),
        ({"threshold": np.array([0.5, 0.5, 0.5])}, "one for each of 2 classes"),
        ({"threshold": (0.1, 0.2, 0.3)}, r"got 3 in a tuple; one for each class is an array"),
        ({"video_threshold": (0.1,)}, r"pair for \(audio, visual\), got 1"),
        ({"visual_NTC": VISUAL[:, :1]}, r"one shape.*\(1, 2, 2\) and \(1, 1, 2\)"),
        ({"video_NC": VIDEO[:, :1]}, r"\(N, C\) of videos, got \(1, 2, 2\) and \(1, 1\)"),
        ({"audio_NTC": AUDIO * 5}, "apply the sigmoid"),
        ({"audio_NTC": AUDIO * np.nan}, "NaN"),
        ({"audio_NTC": AUDIO.astype(int)}, "floating-point probabilities, got int64"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_mistakes_are_explained(change, message):
    arguments = {"audio_NTC": AUDIO, "visual_NTC": VISUAL, "video_NC": VIDEO} | change
    with pytest.raises(UserError, match=message):
        llp_masks(**arguments)

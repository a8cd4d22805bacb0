"""What the authors' evaluator gives simple predictions on the real annotations of LLP."""

from functools import cache

import numpy as np
import pytest

from mmpyramid.datasets.llp import read_llp
from mmpyramid.problems.parsing import nothing_predicted, parsing_report, weak_labels_everywhere

ALL_100 = ([100.0] * 5, [100.0] * 5)
# (segment, event), each audio, visual, audio-visual, Type@AV, Event@AV, rounded to two decimals.
GOLD = {
    ("truth", "val"): ALL_100,
    ("truth", "test"): ALL_100,
    ("nothing", "val"): ([0.62, 10.79, 14.33, 8.58, 0.00],) * 2,
    ("nothing", "test"): ([0.50, 10.08, 14.50, 8.36, 0.00],) * 2,
    ("weak", "val"): ([77.07, 58.65, 52.07, 62.60, 71.53], [63.85, 53.48, 44.15, 53.82, 61.12]),
    ("weak", "test"): ([76.12, 60.35, 52.61, 63.03, 71.73], [63.03, 55.75, 44.69, 54.49, 61.60]),
    ("tagger", "val"): ([81.10, 89.35, 83.25, 84.57, 82.58], [67.12, 82.35, 71.83, 73.77, 68.49]),
    ("tagger", "test"): ([80.14, 89.80, 82.78, 84.24, 81.96], [66.11, 83.69, 71.41, 73.74, 68.27]),
    ("swapped", "val"): ([57.29, 57.29, 100.0, 71.53, 57.29], [52.65, 52.65, 100.0, 68.43, 52.65]),
    ("swapped", "test"): ([57.40, 57.40, 100.0, 71.60, 57.40], [52.85, 52.85, 100.0, 68.57, 52.85]),
}


@cache
def annotations(folder, split):
    return read_llp(folder, split)


def report_of(prediction, truth):
    audio, visual = truth.audio, truth.visual
    match prediction:
        case "truth":
            return parsing_report(audio, visual, audio, visual)
        case "nothing":
            return nothing_predicted(audio, visual)
        case "weak":
            return weak_labels_everywhere(truth.weak, audio, visual)
        case "tagger":  # each stream's true labels of the video, on all segments
            tags = [np.broadcast_to(x.any(axis=1, keepdims=True), x.shape) for x in (audio, visual)]
            return parsing_report(*tags, audio, visual)
        case "swapped":  # the truth with its streams exchanged
            return parsing_report(visual, audio, audio, visual)


@pytest.mark.parametrize(("prediction", "split"), GOLD)
def test_gold_values_of_llp(shared, prediction, split):
    report = report_of(prediction, annotations(shared / "data" / "llp", split))
    levels = report.to_dict()
    found = [list(levels["segment"].values()), list(levels["event"].values())]
    expected = [pytest.approx(row, abs=0.005 + 1e-9) for row in GOLD[prediction, split]]
    assert found == expected

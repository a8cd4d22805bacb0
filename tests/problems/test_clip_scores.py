"""The three numbers of OV-AVEBench on worked clips, of the released code one clip at a time."""

import numpy as np
import pytest

from mmpyramid import UserError
from mmpyramid.problems.localization.clips import clip_scores, scores_by_group

C = 67


def clip(category=C, start=0, stop=0):
    """(1, 10) with a category in some seconds, background around."""
    class_T = np.full((1, 10), C)
    class_T[0, start:stop] = category
    return class_T


TRUTH = clip(5, 2, 9)


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        (clip(5, 2, 7), TRUTH, [0.8, 0.7917, 0.75]),
        (clip(6, 2, 7), TRUTH, [0.3, 0.25, 0.1667]),
        (clip(), TRUTH, [0.3, 0.2308, 0]),
        (clip(), clip(), [1, 1, 1]),
    ],
)
def test_worked_clips(found, truth, expected):
    assert clip_scores(found, truth, C)[0] == pytest.approx(expected, abs=5e-5)


def test_every_clip_counts_once():
    truth = np.concatenate([TRUTH, clip(), clip(3, 0, 10)])
    found = np.concatenate([clip(5, 2, 7), clip(), clip()])
    groups = {"closed": np.array([True, False, False]), "none": np.zeros(3, bool)}
    scores = scores_by_group(found, truth, C, groups)
    assert scores["total"].accuracy == pytest.approx(100 * (0.8 + 1 + 0) / 3)
    assert scores["closed"].segment_f == pytest.approx(79.17, abs=0.005)
    assert scores["closed"].average == pytest.approx((80 + 79.1667 + 75) / 3, abs=1e-3)
    assert "none" not in scores


def test_what_is_beyond_the_end_does_not_count():
    longer = [np.pad(each, ((0, 0), (0, 4)), constant_values=C) for each in (clip(5, 2, 7), TRUTH)]
    longer[0][:, 10:] = 9
    mask_NT = np.arange(14)[None] < 10
    expected = clip_scores(clip(5, 2, 7), TRUTH, C)
    assert clip_scores(*longer, C, mask_NT=mask_NT) == pytest.approx(expected)


def test_mistakes():
    with pytest.raises(UserError, match="of one shape"):
        clip_scores(TRUTH, TRUTH[:, :5], C)
    with pytest.raises(UserError, match=r"within 0\.\.4"):
        clip_scores(TRUTH, TRUTH, 4)

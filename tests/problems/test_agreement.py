"""Kappa and alpha against scikit-learn, statsmodels, nltk and krippendorff, on worked ratings."""

import numpy as np
import pytest

from mmpyramid import Event, Modality, Timeline, UserError
from mmpyramid.problems.annotators import (
    ABSENT,
    ALL,
    cohen_kappa,
    coincidences,
    compare_annotations,
    krippendorff_alpha,
    overlap_f,
    pair_counts,
)


def rating(text):
    """A row of marks, `*` where nothing was judged, as (T, 1)."""
    return np.array([ABSENT if mark == "*" else int(mark) for mark in text], np.int8)[:, None]


A, B, THIRD = "1110000110", "1100000111", "111000**11"


def kappa(first, second):
    return cohen_kappa(pair_counts(rating(first), rating(second)))[0]


def alpha(*texts):
    return krippendorff_alpha(coincidences(np.stack([rating(text) for text in texts])))[0]


def test_worked_numbers():
    assert kappa(A, B) == pytest.approx(0.6)
    assert alpha(A, B) == pytest.approx(0.62)
    assert alpha(A, B, THIRD) == pytest.approx(0.7231, abs=5e-5)
    assert overlap_f(pair_counts(rating(A), rating(B)))[0] == 80


def test_silence_raises_kappa_and_not_f():
    first, second = "0011111110", "0001111110"
    assert kappa(first, second) == pytest.approx(0.7826, abs=5e-5)
    longer = [text + 50 * "0" for text in (first, second)]
    assert kappa(*longer) == pytest.approx(0.9138, abs=5e-5)
    for pair in ((first, second), longer):
        counts = pair_counts(*map(rating, pair))
        assert overlap_f(counts)[0] == pytest.approx(92.31, abs=0.005)


def test_what_is_undefined_and_what_is_zero():
    assert np.isnan(kappa("0000", "0000"))
    assert np.isnan(alpha("0000", "0000"))
    assert np.isnan(alpha("0*1*", "*0*1")), "nothing was judged twice"
    assert kappa("0000", "0110") == 0


def test_segments_of_one_rater_are_left_out():
    assert kappa("1100**", "10**11") == kappa("11", "10") or np.isnan(kappa("11", "10"))
    assert alpha("1100*", "1001*") == alpha("1100", "1001")


def timeline(*events, duration=10.0, **fields):
    made = tuple(Event(start, end, label, modality) for label, modality, start, end in events)
    labels = tuple(dict.fromkeys(event.label for event in made))
    return Timeline(events=made, duration=duration, labels=labels, **fields)


AUDIO, VISUAL, BOTH = Modality


def test_videos_are_pooled_and_modalities_apart():
    ann = {
        "a": timeline(("Dog", AUDIO, 2, 9), ("Cat", BOTH, 0, 3)),
        "b": timeline(("Dog", AUDIO, 0, 5)),
    }
    ben = {"a": timeline(("Dog", AUDIO, 3, 9), ("Cat", AUDIO, 0, 3)), "b": timeline()}
    rows = {
        (row.label, row.modality): row for row in compare_annotations({"x": ann, "y": ben}).rows()
    }
    assert set(rows) == {
        ("Dog", "audio"), ("Cat", "audio"), ("Cat", "visual"),
        (ALL, "audio"), (ALL, "visual"), (ALL, ""),
    }  # fmt: skip
    dog = rows["Dog", "audio"]
    first, second = "0011111110" + "1111100000", "0001111110" + "0000000000"
    assert dog.kappa == pytest.approx(kappa(first, second))
    assert dog.alpha == pytest.approx(alpha(first, second))
    assert dog.segment_f == pytest.approx(100 * 12 / 18)
    assert dog.event_f == pytest.approx(100 * 2 / 3)
    assert dog.marked == pytest.approx(100 * 18 / 40)
    assert rows["Cat", "audio"].kappa == 1
    assert rows["Cat", "visual"].kappa == 0


def test_three_raters_one_of_whom_lacks_a_video():
    marked = {"a": timeline(("Dog", AUDIO, 2, 9)), "b": timeline(("Dog", AUDIO, 0, 5))}
    fewer = {"a": timeline(("Dog", AUDIO, 2, 8))}
    found = compare_annotations({"x": marked, "y": dict(marked), "z": {**fewer, "c": timeline()}})
    assert found.videos == ("a", "b")
    assert found.pair_kappas()[0] == 1
    assert found.pair_kappas()[1] == found.pair_kappas()[2] < 1
    whole = "0011111110" + "1111100000"
    (dog, *_) = found.rows()
    assert dog.alpha == pytest.approx(alpha(whole, whole, "0011111100" + 10 * "*"))


def test_a_stream_that_a_file_lacks_was_not_judged():
    deaf = timeline(("Dog", VISUAL, 0, 4), missing=(AUDIO,))
    hearing = timeline(("Dog", VISUAL, 0, 4), ("Dog", AUDIO, 0, 4))
    rows = compare_annotations({"x": {"a": deaf}, "y": {"a": hearing}}).rows()
    assert [(row.label, row.modality) for row in rows if row.label != ALL] == [("Dog", "visual")]


def test_intervals_are_over_videos():
    random = np.random.default_rng(0)

    def rater():
        return {
            str(video): timeline(("Dog", AUDIO, int(start), int(start) + 4))
            for video, start in enumerate(3 + random.integers(0, 2, 40))
        }

    rows = compare_annotations({"x": rater(), "y": rater()}).rows(resamples=500)
    pooled = rows[-1]
    assert pooled.kappa_ends[0] < pooled.kappa < pooled.kappa_ends[1]
    assert pooled.alpha_ends[0] < pooled.alpha < pooled.alpha_ends[1]
    assert np.isnan(rows[0].kappa_ends).all()
    (one,) = ({"a": timeline(("Dog", AUDIO, 0, 4))},)
    assert np.isnan(compare_annotations({"x": one, "y": one}).rows(500)[-1].kappa_ends).all()


def test_how_long_videos_are():
    short = {"a": timeline(("Dog", AUDIO, 2, 9), duration=9.0)}
    other = {"a": timeline(("Dog", AUDIO, 3, 9), duration=9.0)}
    (row, *_) = compare_annotations({"x": short, "y": other}, duration=60).rows()
    assert row.kappa == pytest.approx(0.9138, abs=5e-5)
    with pytest.raises(UserError, match="within the 5 s of every video, got one that ends at 9 s"):
        compare_annotations({"x": short, "y": other}, duration=5)


@pytest.mark.parametrize(
    ("raters", "message"),
    [
        ({"x": {"a": timeline()}}, "two or more raters"),
        ({"x": {"a": timeline()}, "y": {"b": timeline()}}, "in common, such as a of x, b of y"),
        ({"x": {"a": timeline()}, "y": {"a": timeline()}}, "nobody marked any"),
    ],
)
def test_mistakes(raters, message):
    with pytest.raises(UserError, match=message):
        compare_annotations(raters)

"""Scores of event localization to events that are heard and seen at once."""

import numpy as np
import pytest

from mmpyramid.core import LocalizationScores, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.problems import Decoder, category_mask, decode, rasterize

LABELS = ("Dog", "Cat")


def make_scores(relevance, category, **fields):
    arrays = {"relevance": relevance, "category": category, **fields}
    arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    return LocalizationScores(labels=LABELS, **arrays)


def reference(scores, threshold):
    """The rule in words: the best category where it happens, unless background is likelier."""
    best, background = int(scores.category.argmax()), 1 - float(scores.category.sum())
    if background > scores.category[best]:
        return [[] for _ in scores.relevance]
    return [[best] if value > threshold else [] for value in scores.relevance]


@pytest.mark.parametrize("seed", range(10))
def test_the_mask_is_the_two_head_rule(seed):
    rng = np.random.default_rng(seed)
    scores = make_scores(rng.random(12), rng.dirichlet([1, 1, 1])[:2])
    mask = category_mask(scores, Decoder())
    assert [np.flatnonzero(row).tolist() for row in mask] == reference(scores, 0.5)


def test_relevance_has_to_exceed_its_threshold():
    scores = make_scores([0.5, 0.51, 0.3], [0.1, 0.9])
    assert category_mask(scores, Decoder())[:, 1].tolist() == [False, True, False]
    assert category_mask(scores, Decoder(threshold=0.2))[:, 1].tolist() == [True, True, True]


def test_background_may_win_the_whole_video():
    assert not category_mask(make_scores([0.9], [0.3, 0.29]), Decoder()).any()
    assert category_mask(make_scores([0.9], [0.4, 0.3]), Decoder()).any()


def test_a_long_video_has_a_category_in_each_segment():
    local = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.2]]
    scores = make_scores([0.9] * 4, [0.5, 0.325], local_category=local)
    timeline = decode(scores)
    assert [(e.label, e.start, e.end) for e in timeline] == [("Dog", 0, 2), ("Cat", 2, 3)]


def test_events_are_heard_and_seen_and_score_the_mean_product():
    timeline = decode(make_scores([0.1, 0.8, 0.6, 0.2], [0.25, 0.75]), duration=3.5)
    (event,) = timeline
    assert (event.label, event.modality, event.start, event.end) == (
        "Cat",
        Modality.AUDIO_VISUAL,
        1.0,
        3.0,
    )
    assert event.score == pytest.approx(0.7 * 0.75)
    audio, visual = rasterize(timeline, 4)
    assert np.array_equal(audio, visual)
    assert audio[:, 1].tolist() == [False, True, True, False]


def test_gaps_and_lengths_apply():
    scores = make_scores([0.9, 0.1, 0.9, 0.1, 0.1, 0.9], [0.0, 1.0])
    timeline = decode(scores, Decoder(max_gap=1, min_length=2))
    assert [(e.start, e.end) for e in timeline] == [(0, 3)]


@pytest.mark.parametrize("missing", list(Modality)[:2])
def test_what_cannot_be_heard_and_seen_yields_no_events(missing):
    timeline = decode(make_scores([0.9], [0.0, 1.0]), missing=[missing])
    assert len(timeline) == 0
    assert timeline.missing == (missing,)


def test_nothing_to_decide():
    assert len(decode(make_scores(np.zeros(0), [0.5, 0.5]))) == 0


@pytest.mark.parametrize(
    ("relevance", "category", "word"),
    [
        ([1.5], [0.5, 0.5], "relevance"),
        ([float("nan")], [0.5, 0.5], "relevance"),
        ([0.5], [-3.0, 2.0], "category"),
    ],
)
def test_logits_are_refused(relevance, category, word):
    with pytest.raises(UserError, match=word):
        decode(make_scores(relevance, category))


def test_shapes_have_to_agree():
    with pytest.raises(UserError, match="category"):
        make_scores([0.5], [0.5, 0.3, 0.2])
    with pytest.raises(UserError, match="local_category"):
        make_scores([0.5], [0.5, 0.5], local_category=[[0.5, 0.5]] * 2)

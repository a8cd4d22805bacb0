"""Scores to masks to events and back."""

import itertools
import time

import numpy as np
import pytest

from mmpyramid.core import Event, Modality, Scores, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.problems import Decoder, decode, rasterize, segment_masks

LABELS = ("Dog", "Cat", "Violin")


def make_scores(audio, visual=None, video=None, **fields):
    audio = np.asarray(audio, np.float32)
    visual = np.zeros_like(audio) if visual is None else np.asarray(visual, np.float32)
    video = np.ones(audio.shape[1]) if video is None else video
    labels = tuple(f"label {index}" for index in range(audio.shape[1]))
    arrays = {name: np.asarray(value, np.float32) for name, value in fields.items()}
    video = np.asarray(video, np.float32)
    return Scores(audio=audio, visual=visual, video=video, labels=labels, **arrays)


def random_scores(seed, num_segments=None, num_classes=4):
    rng = np.random.default_rng(seed)
    num_segments = rng.integers(1, 30) if num_segments is None else num_segments
    shape = (num_segments, num_classes)
    return make_scores(rng.random(shape), rng.random(shape), rng.random(num_classes))


def brute_force_tidy(column, max_gap, min_length):
    """The definition, one second at a time."""
    out = list(column)
    on = [t for t, value in enumerate(column) if value]
    for before, after in itertools.pairwise(on):
        if 1 < after - before <= max_gap + 1:
            out[before:after] = [True] * (after - before)
    t = 0
    while t < len(out):
        stop = t
        while stop < len(out) and out[stop]:
            stop += 1
        if stop - t < min_length:
            out[t:stop] = [False] * (stop - t)
        t = max(stop, t + 1)
    return out


def test_the_default_is_the_official_rule():
    scores = make_scores(
        audio=[[0.5, 0.9, 0.9], [0.49999, 0.9, 0.1]],
        visual=[[0.2, 0.9, 0.5], [0.7, 0.9, 0.9]],
        video=[0.5, 0.49999, 0.9],
    )
    audio, visual = segment_masks(scores, Decoder())
    assert audio.tolist() == [[True, False, True], [False, False, False]]
    assert visual.tolist() == [[False, False, True], [True, False, True]]


@pytest.mark.parametrize("seed", range(5))
def test_the_default_equals_the_formula_of_the_released_code(seed):
    scores = random_scores(seed)
    gate = (scores.video >= 0.5).astype(int)
    audio, visual = segment_masks(scores, Decoder())
    assert np.array_equal(audio, (scores.audio >= 0.5).astype(int) * gate)
    assert np.array_equal(visual, (scores.visual >= 0.5).astype(int) * gate)


def test_gates():
    both_on = np.full((2, 2), 0.9)
    video = {"video": [0.1, 0.9], "video_audio": [0.9, 0.1], "video_visual": [0.1, 0.1]}
    scores = make_scores(both_on, both_on, **video)

    def columns(gate):
        return [mask.all(axis=0).tolist() for mask in segment_masks(scores, Decoder(gate=gate))]

    assert columns("global") == [[False, True], [False, True]]
    assert columns("per_modality") == [[True, False], [False, False]]
    assert columns("none") == [[True, True], [True, True]]


def test_the_local_video_probability_gates_segment_by_segment():
    on = np.full((3, 1), 0.9)
    scores = make_scores(on, on, video=[0.0], local_video=[[0.9], [0.1], [0.5]])
    audio, visual = segment_masks(scores, Decoder())
    assert audio.ravel().tolist() == visual.ravel().tolist() == [True, False, True]


def test_a_visual_threshold_of_its_own():
    scores = make_scores([[0.4]], [[0.4]])
    audio, visual = segment_masks(scores, Decoder(visual_threshold=0.3))
    assert (audio.item(), visual.item()) == (False, True)
    audio, visual = segment_masks(scores, Decoder(threshold=0.3))
    assert (audio.item(), visual.item()) == (True, True)


@pytest.mark.parametrize("seed", range(20))
def test_gaps_and_lengths_follow_the_definition(seed):
    rng = np.random.default_rng(seed)
    scores = random_scores(seed)
    max_gap, min_length = rng.choice([0, 0.5, 1, 2, 3.5], size=2)
    audio, _ = segment_masks(scores, Decoder(gate="none", max_gap=max_gap, min_length=min_length))
    raw, _ = segment_masks(scores, Decoder(gate="none"))
    expected = [brute_force_tidy(column, max_gap, min_length) for column in raw.T.tolist()]
    assert audio.T.tolist() == expected


def test_silence_at_the_edges_is_no_gap():
    audio, _ = segment_masks(make_scores([[0.0], [1.0], [0.0]]), Decoder(max_gap=5))
    assert audio.ravel().tolist() == [False, True, False]


def test_events_overlap_on_purpose_and_score_the_mean():
    scores = make_scores(
        audio=[[0.9], [0.7], [0.6], [0.1]],
        visual=[[0.1], [0.8], [0.5], [1.0]],
    )
    timeline = decode(scores, source="a.mp4", model="m", notes=["damaged"])
    rows = {str(e.modality): (e.start, e.end, pytest.approx(e.score)) for e in timeline}
    assert rows == {
        "audio": (0, 3, (0.9 + 0.7 + 0.6) / 3),
        "visual": (1, 4, (0.8 + 0.5 + 1.0) / 3),
        "audio_visual": (1, 3, (0.7 * 0.8 + 0.6 * 0.5) / 2),
    }
    facts = (timeline.source, timeline.model, timeline.notes, timeline.duration)
    assert facts == ("a.mp4", "m", ("damaged",), 4.0)


@pytest.mark.parametrize("seed", range(20))
def test_rasterize_is_the_way_back(seed):
    scores = random_scores(seed)
    duration = scores.num_segments - 1 + np.random.default_rng(seed).uniform(0.01, 1)
    timeline = decode(scores, duration=duration)
    assert all(event.end <= duration for event in timeline)
    for mask, expected in zip(
        rasterize(timeline, scores.num_segments), segment_masks(scores, Decoder()), strict=True
    ):
        assert np.array_equal(mask, expected)


def test_the_audio_visual_events_are_where_both_are():
    scores = random_scores(3, num_segments=40)
    both = np.logical_and(*segment_masks(scores, Decoder()))
    timeline = decode(scores).of(Modality.AUDIO_VISUAL)
    assert both.any()
    for mask in rasterize(timeline, 40):
        assert np.array_equal(mask, both)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1.0, 3.0, [1, 2]),
        (1.5, 3.0, [1, 2]),
        (1.51, 3.0, [2]),
        (1.0, 2.49, [1]),
        (1.2, 1.7, [1]),
        (1.3, 1.7, []),
        (1.6, 2.4, []),
        (0.0, 0.5, [0]),
        (3.5, 99.0, [3]),
        (50.0, 99.0, []),
    ],
)
def test_a_segment_is_on_when_half_of_it_is_covered(start, end, expected):
    event = Event(start, end, "Dog", Modality.VISUAL)
    timeline = Timeline(events=(event,), duration=100, labels=LABELS)
    audio, visual = rasterize(timeline, 4)
    assert np.flatnonzero(visual[:, 0]).tolist() == expected
    assert not audio.any()
    assert not visual[:, 1:].any()


def test_rasterize_takes_the_labels_it_is_asked_for():
    events = (Event(0, 2, "Dog", Modality.AUDIO), Event(1, 2, "Violin", Modality.AUDIO))
    timeline = Timeline(events=events, duration=2, labels=LABELS)
    audio, _ = rasterize(timeline, 2, labels=["Violin", "Harp"])
    assert audio.tolist() == [[False, False], [True, False]]


def test_overlapping_events_of_one_label_stay_on():
    events = tuple(Event(start, start + 2, "Dog", Modality.AUDIO) for start in (0, 1, 1.5))
    audio, _ = rasterize(Timeline(events=events, duration=5, labels=LABELS), 5)
    assert audio[:, 0].tolist() == [True, True, True, True, False]


def test_a_missing_modality_never_yields_events():
    on = np.ones((3, 2))
    timeline = decode(make_scores(on, on), missing=[Modality.AUDIO])
    assert {event.modality for event in timeline} == {Modality.VISUAL}
    assert timeline.missing == (Modality.AUDIO,)


def test_nothing_and_one_segment():
    assert len(decode(make_scores(np.zeros((5, 2))))) == 0
    assert len(decode(make_scores(np.zeros((0, 2))))) == 0
    timeline = decode(make_scores([[1.0]]), duration=0.3)
    assert [(e.start, e.end) for e in timeline] == [(0.0, 0.3)]
    assert rasterize(timeline, 1)[0].all()


def test_an_hour_is_quick():
    scores = make_scores(*(np.kron(np.random.default_rng(i).random((360, 25)), np.ones((10, 1)))
                           for i in range(2)), video=np.full(25, 0.9))  # fmt: skip
    decoder = Decoder(threshold=0.9, max_gap=2, min_length=2)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        timeline = decode(scores, decoder)
        seconds.append(time.process_time() - start)
    assert len(timeline) > 1000
    assert min(seconds) < 0.05


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"visual_threshold": -0.1}, "visual_threshold"),
        ({"video_threshold": 2}, "video_threshold"),
        ({"gate": "local"}, "per_modality"),
        ({"max_gap": -1}, "max_gap"),
        ({"max_gap": float("inf")}, "max_gap"),
        ({"min_length": float("nan")}, "min_length"),
    ],
)
def test_a_wrong_setting_names_itself(fields, word):
    with pytest.raises(UserError, match=word):
        Decoder(**fields)


def test_a_gate_without_its_scores_is_refused():
    with pytest.raises(UserError, match="video_audio"):
        segment_masks(make_scores([[0.9]]), Decoder(gate="per_modality"))


@pytest.mark.parametrize("value", [1.5, -3.0, float("nan")])
def test_logits_are_refused(value):
    with pytest.raises(UserError, match="visual"):
        segment_masks(make_scores([[0.9]], [[value]]), Decoder())


def test_a_duration_of_another_video_is_refused():
    with pytest.raises(UserError, match="4 segments"):
        decode(make_scores(np.zeros((4, 1))), duration=2.0)

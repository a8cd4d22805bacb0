"""Timelines carry what selective fusion chose, without loss."""

import json
import math
import re
import time

import numpy as np
import pytest

from mmpyramid.core import Event, LocalizationScores, Modality, Scores, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.problems import decode

OLD = """{"format": "mmpyramid-timeline-1", "events": [{"start": 0.0, "end": 1.0, "label": "Dog",
"modality": "audio", "score": 0.5}], "duration": 2.0, "labels": ["Dog"], "source": "a.mp4",
"model": "m", "missing": ["visual"], "notes": []}"""


def weights_of(num_units=3, num_segments=5, seed=0):
    return np.random.default_rng(seed).random((2, num_units, num_segments), np.float32)


def scores_with(weights_T2L):
    probs = np.zeros((len(weights_T2L), 1), np.float32)
    fields = {"labels": ("Dog",), "unit_weights": weights_T2L}
    return [
        Scores(audio=probs, visual=probs, video=np.zeros(1, np.float32), **fields),
        LocalizationScores(relevance=probs[:, 0], category=np.zeros(1, np.float32), **fields),
    ]


def test_weights_survive_json():
    timeline = Timeline(duration=5.0, unit_weights=weights_of())
    again = Timeline.from_json(timeline.to_json())
    assert again == timeline
    assert again.unit_weights == timeline.unit_weights
    assert hash(again) == hash(timeline)
    assert again != Timeline(duration=5.0, unit_weights=weights_of(seed=1))


def test_weights_are_plain_numbers_of_four_decimals():
    timeline = Timeline(unit_weights=[[[np.float32(0.123456)]], [[1]]])
    assert timeline.unit_weights == (((0.1235,),), ((1.0,),))
    assert type(timeline.unit_weights[0][0][0]) is float


@pytest.mark.parametrize("task", [0, 1])
def test_decode_hands_the_weights_on(task):
    weights_T2L = weights_of().transpose(2, 0, 1)
    timeline = decode(scores_with(weights_T2L)[task])
    np.testing.assert_allclose(timeline.unit_weights, weights_of(), atol=0.00005 + 1e-9)
    assert decode(scores_with(weights_T2L)[task]).of("audio").unit_weights == timeline.unit_weights


def test_a_scorer_without_units_leaves_them_out():
    probs = np.zeros((2, 1), np.float32)
    scores = Scores(audio=probs, visual=probs, video=probs[0], labels=("Dog",))
    timeline = decode(scores)
    assert timeline.unit_weights == ()
    assert "unit_weights" not in json.loads(timeline.to_json())


def test_json_of_before_the_weights_still_loads():
    event = Event(0.0, 1.0, "Dog", Modality.AUDIO, 0.5)
    assert Timeline.from_json(OLD) == Timeline(
        events=(event,),
        duration=2.0,
        labels=("Dog",),
        source="a.mp4",
        model="m",
        missing=(Modality.VISUAL,),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("duration", value) for value in ("10", None, True, -5, 1e9)),
        *(("labels", value) for value in ("abc", [1], None)),
        *(("source", None), ("model", 5), ("notes", [3]), ("missing", "audio")),
    ],
)
def test_a_field_of_another_kind_is_named(name, value):
    with pytest.raises(UserError, match=rf"`{name}(\[0\])?` should be|expected `{name}`"):
        Timeline.from_json(json.dumps({**json.loads(OLD), name: value}))


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5000])
@pytest.mark.parametrize("field", ["duration", "score"])
def test_a_number_that_none_can_be_is_refused(field, number):
    text = re.sub(rf'"{field}": [0-9.]+', f'"{field}": {number}', OLD)
    assert number in text
    with pytest.raises(
        UserError, match=r"not finite|too large|out of range|wrong number|more digits"
    ):
        Timeline.from_json(text)


@pytest.mark.parametrize("end", [1e9, 1e308, 10**30, 10**308])
def test_an_event_lasts_a_year_at_most(end):
    document = {**json.loads(OLD), "events": [{**json.loads(OLD)["events"][0], "end": end}]}
    with pytest.raises(UserError, match=r"`events\[0\]`: an event needs .* within a year"):
        Timeline.from_json(json.dumps(document))


def test_levels_without_end_are_refused():
    with pytest.raises(UserError, match="too many levels"):
        Timeline.from_json("[" * 100_000)


def test_a_file_that_is_no_text_in_utf_8_is_refused(tmp_path):
    path = tmp_path / "clip.json"
    path.write_bytes(OLD.replace("a.mp4", "é.mp4").encode("latin-1"))
    with pytest.raises(UserError, match=r"clip\.json: line 2: expected text in UTF-8"):
        Timeline.load(path)


@pytest.mark.parametrize("value", [math.inf, -5])
def test_a_duration_that_cannot_be_is_refused(value):
    with pytest.raises(UserError, match="expected `duration`"):
        Timeline(duration=value)


def test_an_hour_stays_small_and_quick():
    timeline = Timeline(duration=3600.0, unit_weights=weights_of(4, 3600))
    start = time.process_time()
    text = timeline.to_json()
    assert Timeline.from_json(text) == timeline
    assert time.process_time() - start < 1
    assert len(text) < 250_000
    assert len(text.splitlines()) < 50


@pytest.mark.parametrize(
    "weights",
    [
        [[[0.5]]],
        [[[0.5]], [[0.5]], [[0.5]]],
        [[[0.5]], [[0.5], [0.5]]],
        [[[0.5]], [[0.5, 0.5]]],
        [[], []],
        [[[0.5]], [[1.5]]],
        [[[0.5]], [[-0.1]]],
        [[[0.5]], [[float("nan")]]],
    ],
)
def test_weights_that_cannot_be_are_refused(weights):
    with pytest.raises(UserError, match="unit weights"):
        Timeline(unit_weights=weights)
    with pytest.raises(UserError, match=r"unit weights|NaN, which is not finite"):
        Timeline.from_json(json.dumps({**json.loads(OLD), "unit_weights": weights}))


@pytest.mark.parametrize("weights", [None, 3, "abc", [[0.5], [0.5]], [[["x"]], [["y"]]]])
def test_weights_that_are_no_numbers_are_refused(weights):
    with pytest.raises(UserError, match="unit_weights"):
        Timeline.from_json(json.dumps({**json.loads(OLD), "unit_weights": weights}))


def test_scores_need_weights_of_their_segments():
    with pytest.raises(UserError, match=r"shape \(5, 2, units\), got \(4, 2, 3\)"):
        decode(
            LocalizationScores(
                relevance=np.zeros(5, np.float32),
                category=np.zeros(1, np.float32),
                labels=("Dog",),
                unit_weights=np.zeros((4, 2, 3), np.float32),
            )
        )

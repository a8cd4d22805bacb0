"""Linear classifiers of segments: what was learned, and nothing else, at any length."""

import numpy as np
import pytest
import torch

from mmpyramid import load_pretrained
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.models import SegmentClassifier, SegmentClassifierConfig, save_pretrained
from mmpyramid.problems import decode
from mmpyramid.stream import EventStream

SETTINGS = {
    "labels": ("Dog", "Cat", "Car"),
    "audio_streams": {"ear": 5},
    "visual_streams": {"eye": 6},
    "heard": ("Dog", "Car"),
    "seen": ("Cat",),
    "backbone_classes": {"ear": 4},
}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SegmentClassifier(SegmentClassifierConfig(**SETTINGS)).eval()


def video(length, seed=0):
    rng = np.random.default_rng(seed)
    widths = {"ear": 5, "eye": 6}
    return {n: rng.random((length, w), np.float32) for n, w in widths.items()}


@pytest.mark.parametrize("length", [1, 2, 10, 57])
def test_what_was_not_learned_is_never_found(network, length):
    scores = network.predict(video(length))
    assert scores.audio.shape == scores.visual.shape == (length, 3)
    assert (scores.audio > 0).all(axis=0).tolist() == [True, False, True]
    assert (scores.visual > 0).all(axis=0).tolist() == [False, True, False]
    assert network.notes == (
        "Never heard, as no correction taught it: Cat\n"
        "Never seen, as no correction taught it: Dog; Car",
    )


def test_a_segment_is_scored_by_itself(network):
    features = video(30)
    scores = network.predict(features)
    alone = network.predict({name: values[12:13] for name, values in features.items()})
    np.testing.assert_allclose(scores.audio[12], alone.audio[0], atol=1e-6)
    louder = {name: 7 * values for name, values in features.items() if name == "eye"}
    np.testing.assert_allclose(network.predict(louder).visual, scores.visual, atol=1e-5)


def set_logits(network, *rows):
    """Of the first class, heard: the first feature of the ear is its score, in each second."""
    with torch.no_grad():
        network.audio.weight.zero_()
        network.audio.weight[0, 0] = 20.0
        network.audio.bias.fill_(-10.0)
    ear = np.array([[share, 1 - share, 0, 0, 0] for share in rows], np.float32)
    return network.predict({"ear": ear**2})


def test_a_class_needs_three_sure_segments_or_one_very_sure_one(network):
    """Logits of -0.2, 0.4 and 10."""
    few = set_logits(network, 0.36, 0.36, 0.36, 0.36, 0.36)
    assert few.audio[0, 0] < 0.5
    once = set_logits(network, 0.38, 0.0, 0.0, 0.0, 0.0)
    assert once.audio[0, 0] > 0.5 > once.video[0]
    thrice = set_logits(network, 0.38, 0.38, 0.38, 0.0, 0.0)
    assert thrice.video[0] == thrice.video_audio[0] > 0.5
    single = set_logits(network, 1.0, 0.0, 0.0, 0.0, 0.0)
    assert single.audio[0, 0] > 0.99
    assert single.video[0] > 0.5


def test_padding_and_company_change_nothing(network):
    videos = [video(10, 1), video(2, 2), video(25, 3)]
    for one, other in zip(map(network.predict, videos), network.predict(videos), strict=True):
        np.testing.assert_allclose(one.audio, other.audio, atol=1e-6)
        np.testing.assert_allclose(one.video, other.video, atol=1e-6)


def test_a_stream_of_it_gives_the_same_events(network):
    with torch.no_grad():
        network.audio.weight.mul_(30)
        network.audio.bias.zero_()
    features = video(90)
    events = EventStream(network, network.decoder)
    pushed = [
        event
        for start in range(0, 90, 4)
        for event in events.push({n: x[start : start + 4] for n, x in features.items()})
    ]
    pushed += events.finish()
    whole = decode(network.predict(features)).events
    assert whole
    told = [
        sorted((e.label, e.modality, e.start, e.end, round(e.score, 4)) for e in events_of)
        for events_of in (pushed, whole)
    ]
    assert told[0] == told[1]


def test_it_is_saved_with_what_it_keeps(network, tmp_path):
    network.vocabulary = "everyday"
    loaded = load_pretrained(save_pretrained(network, tmp_path))
    assert loaded.config == network.config
    assert loaded.vocabulary == "everyday"
    assert loaded.notes == network.notes
    features = video(12)
    np.testing.assert_array_equal(loaded.predict(features).audio, network.predict(features).audio)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heard": ("Bird",)}, "among the 3 labels of the network, got 'Bird'"),
        ({"backbone_classes": {"nose": 3}}, "for streams out of ear, eye; got {'nose': 3}"),
        ({"backbone_classes": {"ear": 0}}, "backbone_classes should be from 1"),
        ({"backbone_classes": {"ear": 10**9}}, "backbone_classes should be from 1"),
    ],
)
def test_impossible_networks_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        SegmentClassifierConfig(**{**SETTINGS, **changes})


def test_maps_are_refused(network):
    with pytest.raises(UserError, match=r"one vector per segment in the stream `eye`, got \(2, 2"):
        network.predict({**video(4), "eye": np.ones((4, 2, 2, 6), np.float32)})


def test_what_is_heard_alone_is_scored_without_pictures(network):
    scores = network.predict({"ear": video(6)["ear"]})
    assert scores.audio[:, 0].min() > 0
    assert not scores.visual.any()
    assert {event.modality for event in decode(scores, missing=(Modality.VISUAL,))} <= {"audio"}

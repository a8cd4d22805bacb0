"""A network and the teachers as one scorer, at any length, as a whole and as a stream."""

import numpy as np
import pytest
import torch

from mmpyramid.core.errors import UserError
from mmpyramid.models import (
    MMPyramidAVE,
    MMPyramidAVEConfig,
    SegmentClassifier,
    SegmentClassifierConfig,
)
from mmpyramid.problems import Decoder, decode
from mmpyramid.stream import EventStream
from mmpyramid.teachers import Beside, load_teacher

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def teacher():
    return load_teacher("ave", faces=False)


@pytest.fixture
def scorer(teacher):
    """It has learned to hear dogs, which the vocabulary has as `Bark`, and to see gizmos."""
    torch.manual_seed(0)
    config = SegmentClassifierConfig(
        labels=("Bark", "Gizmo"),
        audio_streams={"yamnet": 1024},
        visual_streams={"efficientnet_lite0": 1280},
        heard=("Bark",),
        seen=("Gizmo",),
    )
    network = SegmentClassifier(config).eval()
    with torch.no_grad():
        network.audio.weight.mul_(40)
        network.visual.weight.mul_(40)
    return Beside(network, teacher)


def features(length):
    rng = np.random.default_rng(0)
    sparse = {"yamnet": 1024, "efficientnet_lite0": 1280}
    return {
        name: (rng.random((length, width)) * (rng.random((length, width)) < 0.05)).astype(
            np.float32
        )
        for name, width in sparse.items()
    }


@pytest.mark.parametrize("length", [1, 10, 37])
def test_each_modality_is_scored_by_whoever_knows_it(scorer, teacher, length):
    given = features(length)
    scores, theirs = scorer.predict(given), teacher.predict(given)
    ours = scorer._network.predict(given)
    assert scorer.labels[:2] == ("Bark", "Gizmo")
    bark = teacher.labels.index("Bark")
    np.testing.assert_array_equal(scores.audio[:, 0], ours.audio[:, 0])
    np.testing.assert_array_equal(scores.visual[:, 0], theirs.visual[:, bark])
    np.testing.assert_array_equal(scores.visual[:, 1], ours.visual[:, 1])
    others = [label for label in teacher.labels if label != "Bark"]
    columns = [teacher.labels.index(label) for label in others]
    np.testing.assert_array_equal(scores.audio[:, 2:], theirs.audio[:, columns])
    assert scorer.labels[2:] == tuple(others)
    assert (scores.local_video is None) == (length <= 10)


def test_a_stream_gives_the_events_of_the_whole(scorer):
    given, decoder = features(60), Decoder(threshold=0.3, video_threshold=0.3)
    events = EventStream(scorer, decoder)
    pushed = [
        event
        for start in range(0, 60, 7)
        for event in events.push({n: x[start : start + 7] for n, x in given.items()})
    ]
    pushed += events.finish()
    whole = decode(scorer.predict(given), decoder).events
    assert len(whole) > 3
    told = [{(e.label, e.modality, e.start, e.end) for e in some} for some in (pushed, whole)]
    assert told[0] == told[1]


def test_a_network_for_another_problem_is_refused(teacher):
    network = MMPyramidAVE(MMPyramidAVEConfig(labels=("Dog", "Cat"), width=16))
    with pytest.raises(UserError, match="expected a network for parsing beside the labels of a"):
        Beside(network, teacher)

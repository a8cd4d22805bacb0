"""Events of a stream against those of the whole video."""

import numpy as np
import pytest
import torch

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.models import (
    HAN,
    HANConfig,
    MMPyramid,
    MMPyramidAVE,
    MMPyramidAVEConfig,
    MMPyramidConfig,
)
from mmpyramid.problems import Decoder, decode
from mmpyramid.stream import EventStream

STREAMS = {"audio_streams": {"ear": 5}, "visual_streams": {"eye": 6}, "width": 16}
LABELS = ("Dog", "Cat", "Car")


def network(architecture=MMPyramid, config=MMPyramidConfig, **settings):
    torch.manual_seed(0)
    made = architecture(config(**STREAMS, labels=LABELS, **settings)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.6)  # scores that cross the thresholds often
    return made


def features(length):
    random = np.random.default_rng(1)
    return {
        name: random.standard_normal((length, width)).astype(np.float32)
        for name, width in (("ear", 5), ("eye", 6))
    }


def sorted_events(events):
    return sorted(events, key=lambda e: (e.start, e.end, e.label, e.modality))


def streamed(scorer, decoder, video, every, piece):
    """Events with the number of segments that had come when each was told."""
    stream, length = EventStream(scorer, decoder, every), len(video["ear"])
    told = []
    for start in range(0, length, piece):
        part = {name: rows[start : start + piece] for name, rows in video.items()}
        told += [(event, min(start + piece, length)) for event in stream.push(part)]
    return told + [(event, length) for event in stream.finish(length - 0.25)], stream.delay


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "every", "piece"),
    [(1, 16, 4), (9, 1, 1), (11, 16, 4), (57, 1, 1), (57, 7, 10), (200, 16, 4)],
)
@pytest.mark.parametrize(
    "decoder",
    [Decoder(threshold=0.52, video_threshold=0.4), Decoder(max_gap=2, min_length=3, gate="none")],
)
@pytest.mark.parametrize("kind", ["parsing", "localization"])
def test_a_stream_tells_what_the_whole_video_tells(kind, length, every, piece, decoder):
    scorer = network()
    if kind == "localization":
        scorer = network(MMPyramidAVE, MMPyramidAVEConfig, map_size=None)
    video = features(length)
    told, delay = streamed(scorer, decoder, video, every, piece)
    whole = sorted_events(decode(scorer.predict(video), decoder, duration=length - 0.25).events)
    events = sorted_events(event for event, _ in told)
    assert [(e.start, e.end, e.label, e.modality) for e in events] == [
        (e.start, e.end, e.label, e.modality) for e in whole
    ]
    np.testing.assert_allclose([e.score for e in events], [e.score for e in whole], atol=1e-5)
    assert all(come <= event.end + delay + piece for event, come in told)
    if length == 200 and kind == "parsing":
        assert len(whole) > 5
        assert any(come < length for _, come in told)


@pytest.mark.parametrize("missing", [Modality.AUDIO, Modality.VISUAL])
@pytest.mark.parametrize("kind", ["parsing", "localization"])
def test_what_the_source_does_not_have_yields_no_events(kind, missing):
    scorer, video = network(), features(40)
    if kind == "localization":
        scorer = network(MMPyramidAVE, MMPyramidAVEConfig, map_size=None)
    del video["ear" if missing == Modality.AUDIO else "eye"]
    decoder = Decoder(threshold=0.0, gate="none")
    streams = EventStream(scorer, decoder, missing=[missing]), EventStream(scorer, decoder)
    told, everything = (stream.push(video) + stream.finish() for stream in streams)
    whole = decode(scorer.predict(video), decoder, missing=[missing])
    assert sorted_events(told) == sorted_events(whole.events)
    assert len(everything) > len(told)


@pytest.mark.slow
def test_a_stream_forgets_what_it_no_longer_needs():
    stream, video = EventStream(network(), Decoder(), every=16), features(400)
    for start in range(0, 400, 16):
        stream.push({name: rows[start : start + 16] for name, rows in video.items()})
    assert max(len(rows) for rows in stream._features.values()) < 150


def test_what_needs_the_whole_video_is_refused():
    with pytest.raises(UserError, match="whole video; stream with an MM-Pyramid"):
        EventStream(network(HAN, HANConfig), Decoder())
    with pytest.raises(UserError, match='stream with gate "global"'):
        EventStream(network(), Decoder(gate="per_modality"))
    with pytest.raises(UserError, match="at least 1 new segment"):
        EventStream(network(), Decoder(), every=0)


def test_streams_come_together():
    stream, video = EventStream(network(), Decoder()), features(8)
    stream.push({name: rows[:4] for name, rows in video.items()})
    for other in (
        {"eye": video["eye"][4:]},
        {"eye": video["eye"][4:], "ear": video["ear"]},
        {**video, "nose": video["eye"]},
    ):
        with pytest.raises(UserError, match="as many rows of each of ear, eye"):
            stream.push(other)
    with pytest.raises(UserError, match="as many rows of each"):
        EventStream(network(), Decoder()).push({"eye": video["eye"], "ear": video["ear"][:4]})


def test_the_end_is_told_once():
    stream = EventStream(network(), Decoder(gate="none", threshold=0.0))
    stream.push(features(20))
    assert stream.finish()
    assert stream.finish() == []


def test_nothing_comes_of_nothing():
    assert EventStream(network(), Decoder()).finish() == []

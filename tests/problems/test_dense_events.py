"""Dense events: targets, losses, suppression, and a detector trained on UnAV-100's layout."""

import json
import math
from dataclasses import astuple

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tiny_unav
from mmpyramid.cli import main
from mmpyramid.core import Decoder, DetectionScores, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import open_dataset
from mmpyramid.experiments.measured import annotated_by_length, found_by_length
from mmpyramid.models import create_model, load_pretrained
from mmpyramid.models.detector import Detected, DetectorConfig
from mmpyramid.problems import decode, problem_named
from mmpyramid.problems.dense.problem import MOST, SIGMA, detect, suppress
from mmpyramid.problems.dense.training import DetectionObjective
from mmpyramid.stream import EventStream
from mmpyramid.training.recipes import RECIPES
from random_batch import random_batch

FLAGS = ("--model.width", "16", "--epochs", "12", "--batch-size", "4", "--precision", "32-true")
FLAGS += ("--learning-rate", "5e-3", "--schedule.factor", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def unav(tmp_path_factory):
    return tiny_unav.make(tmp_path_factory.mktemp("corpus") / "unav")


@pytest.fixture(scope="module")
def run(unav, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    assert main(["train", "unav", "--data", str(unav), "--out", str(out), *FLAGS]) == 0
    return out


def small(**changes):
    streams = {"audio_streams": {"ear": 5}, "visual_streams": {"eye": 6}}
    torch.manual_seed(0)
    config = DetectorConfig(labels=("Dog", "Cat"), width=16, **streams, **changes)
    return create_model(config).eval()


def test_targets_lead_to_the_exact_times(unav):
    """From the middle of every segment that is on, to the start and end of its event."""
    train = open_dataset(unav, "train", RECIPES["unav"]().model.inputs)
    batch = train.batch(range(len(train)))
    times = {(e.video, e.label, round(e.start, 3), round(e.end, 3)) for e in train.events}
    found = set()
    for video, second, label in batch.audio_BTC.nonzero().tolist():
        before, after = batch.extent_BTCX[video, second, label].double().tolist()
        middle = second + 0.5
        found.add((video, label, round(middle - before, 3), round(middle + after, 3)))
    assert found <= times
    assert len(found) > 0.9 * len(times), "events of less than half a second are in no segment"
    assert not batch.extent_BTCX[batch.audio_BTC == 0].any()


def test_the_objective_counts_segments_that_exist_over_those_of_events():
    config = RECIPES["unav"]().model
    config.labels = ("Dog", "Cat", "Car")
    batch = random_batch(config, "detection")
    batch.mask_BT[0, 8:] = False
    batch.audio_BTC[0, 8:] = 0
    logit = torch.randn(*batch.audio_BTC.shape)
    extent = torch.rand(*batch.extent_BTCX.shape) + 0.1
    expected, events = 0.0, batch.audio_BTC.sum().item()
    for place in np.ndindex(*logit.shape):
        if not batch.mask_BT[place[:2]]:
            continue
        p, is_on = logit[place].sigmoid().item(), batch.audio_BTC[place].item()
        expected -= 0.25 * (1 - p) ** 2 * math.log(p) if is_on else 0.75 * p**2 * math.log(1 - p)
        if is_on:
            (a, b), (c, d) = extent[place].tolist(), batch.extent_BTCX[place].tolist()
            shared, whole = min(a, c) + min(b, d), max(a, c) + max(b, d)
            apart = ((b - a) - (d - c)) / 2
            expected += 1 - shared / (a + b + c + d - shared) + (apart / whole) ** 2
    loss = DetectionObjective()(Detected(logit, extent), batch)
    assert loss.item() == pytest.approx(expected / events, rel=1e-4)


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3))
def test_suppression_takes_one_candidate_after_the_other(seed, length, num_classes):
    random = np.random.default_rng(seed)
    score = random.random((length, num_classes))
    start = random.random((length, num_classes)) * 10
    end = start + random.random((length, num_classes)) * 5 + 0.1
    found = suppress(score, start, end)
    for c in range(num_classes):
        waiting = dict(enumerate(score[:, c]))
        while waiting:
            best = max(waiting, key=waiting.get)
            assert found[best, c] == pytest.approx(waiting.pop(best))
            for other in waiting:
                shared = min(end[best, c], end[other, c]) - max(start[best, c], start[other, c])
                lengths = end[best, c] - start[best, c] + end[other, c] - start[other, c]
                iou = max(shared, 0) / (lengths - max(shared, 0))
                waiting[other] *= math.exp(-(iou**2) / SIGMA)


def test_a_video_keeps_its_surest_detections():
    happens = np.linspace(0, 1, 300, dtype=np.float32).reshape(150, 2)
    extent = np.full((150, 2, 2), 0.4, np.float32)
    table = detect(DetectionScores(happens=happens, extent=extent, labels=("Dog", "Cat")))
    assert len(table) == MOST
    assert table.score.min() == pytest.approx(np.sort(happens.ravel())[-MOST])
    empty = detect(DetectionScores(happens=0 * happens, extent=extent, labels=("Dog", "Cat")))
    assert len(empty) == 0
    with pytest.raises(UserError, match="`extent` of shape"):
        DetectionScores(happens=happens, extent=extent[:9], labels=("Dog", "Cat"))


def test_detections_end_with_the_video():
    """They are cut once they have been suppressed by their whole length."""
    happens = np.array([[0.9], [0.0], [0.8]], np.float32)
    extent = np.array([[[3, 0.5]], [[1, 1]], [[0.5, 9]]], np.float32)
    table = detect(DetectionScores(happens=happens, extent=extent, labels=("Dog",)))
    assert (table.start.tolist(), table.end.tolist()) == ([0, 2], [1, 3])
    assert table.score.tolist() == pytest.approx([0.9, 0.8]), "they do not overlap"


@torch.no_grad()
def test_times_have_the_digits_of_float32_in_bf16():
    """Of the logarithm of 40 s bf16 keeps two digits after the point, a quarter of a second."""
    network = small(neck=False)
    torch.nn.init.constant_(network.extent.output.bias, math.log(40))
    features = {"ear": torch.randn(3, 9, 5), "eye": torch.randn(3, 9, 6)}
    exact = network(features).extent_BTCX
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(network(features).extent_BTCX, exact, atol=0.06, rtol=0)
    halved = network.in_bfloat16()
    assert halved.happens.output.weight.dtype == torch.bfloat16
    torch.testing.assert_close(halved(features).extent_BTCX, exact, atol=0.06, rtol=0)


@pytest.mark.parametrize("neck", [True, False])
@torch.no_grad()
def test_padding_and_other_videos_change_nothing(neck):
    network = small(neck=neck)
    features = {"ear": torch.randn(1, 9, 5), "eye": torch.randn(1, 9, 6)}
    padded = {
        n: torch.cat((x, torch.full((1, 4, x.shape[2]), 77.0)), 1) for n, x in features.items()
    }
    alone, within = network(features), network(padded, torch.arange(13)[None] < 9)
    torch.testing.assert_close(within.logit_BTC[:, :9], alone.logit_BTC, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(within.extent_BTCX[:, :9], alone.extent_BTCX, atol=1e-4, rtol=1e-3)
    assert (alone.unit_weights_BTML is not None) == neck
    batch = [{n: x[0, :length].numpy() for n, x in features.items()} for length in (9, 4)]
    for video, scores in zip(batch, network.predict(batch), strict=True):
        np.testing.assert_allclose(scores.happens, network.predict(video).happens, atol=1e-5)


@pytest.mark.parametrize("neck", [True, False])
def test_a_stream_ends_with_the_events_of_the_whole(neck):
    network, random = small(neck=neck), np.random.default_rng(0)
    with torch.no_grad():
        network.happens.output.bias.zero_()
    video = {
        "ear": random.normal(size=(150, 5)).astype(np.float32),
        "eye": random.normal(size=(150, 6)).astype(np.float32),
    }
    timeline = decode(network.predict(video), Decoder())
    assert len(timeline) > 5
    stream = EventStream(network, Decoder())
    halves = ({n: x[part] for n, x in video.items()} for part in (slice(70), slice(70, None)))
    events = [event for half in halves for event in stream.push(half)]
    found, whole = sorted([*events, *stream.finish()]), sorted(timeline)
    assert [e[:3] for e in map(astuple, found)] == [e[:3] for e in map(astuple, whole)]


def test_other_data_and_wrong_settings_are_refused():
    config = RECIPES["unav"]().model
    output = create_model(config)(random_batch(config, "detection").streams)
    with pytest.raises(UserError, match="with the times of their events"):
        DetectionObjective()(output, random_batch(config, "parsing"))
    with pytest.raises(UserError, match=r"--objective.focus should be"):
        DetectionObjective(focus=-1.0)


@pytest.mark.slow
def test_a_detector_learns_dense_events_and_is_measured_by_their_exact_times(run, unav, capsys):
    numbers = run / "numbers.json"
    words = (str(run / "model"), "--data", str(unav), "--predictions", str(run / "found.json"))
    assert main(["evaluate", *words, "--json", str(numbers)]) == 0
    shown = capsys.readouterr().out
    assert "true classes throughout" in shown
    found = json.loads(numbers.read_text())
    assert len(found) == 10
    again = run / "scored.json"
    words = (str(run / "found.json"), "--labels", str(unav), "--resamples", "0")
    assert main(["score", *words, "--json", str(again)]) == 0
    assert found.items() <= json.loads(again.read_text()).items()
    test = open_dataset(unav, "test", RECIPES["unav"]().model.inputs)
    references = problem_named("detection").references(test)
    known = references["true classes throughout"]
    assert known.mean > references["all classes throughout"].mean
    assert found["mAP@0.5"] > 80
    assert found["mAP"] > known.mean + 10
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["neck"] is True


@pytest.mark.slow
def test_detections_are_written_as_json_only(run, unav, tmp_path, capsys):
    words = (str(run / "model"), "--data", str(unav), "--predictions", str(tmp_path / "found.npz"))
    assert main(["evaluate", *words]) == 2
    assert "expected a name that ends in .json" in capsys.readouterr().err


@pytest.mark.slow
def test_a_detector_has_no_gate(run, unav, capsys):
    assert main(["evaluate", str(run / "model"), "--data", str(unav), "--gate", "none"]) == 2
    assert "this one is for detection; leave --gate out" in capsys.readouterr().err


@pytest.mark.slow
def test_its_timelines_have_pages_and_lengths(run, unav, tmp_path):
    words = (str(run / "model"), "--data", str(unav))
    assert main(["evaluate", *words, "--pages", str(tmp_path / "pages")]) == 0
    network = load_pretrained(run / "model")
    test = open_dataset(unav, "test", network.inputs)
    found = found_by_length(network, test)
    assert found["precision"] > 60
    assert sum(annotated_by_length(test).values()) >= len(test.events) - 2
    (name,) = test.ids[:1]
    scores = network.predict(test.item(name))
    assert scores.segments(2, 5).happens.shape == (3, 3)
    assert problem_named("detection").decide(scores, Decoder())[Modality.AUDIO_VISUAL].any()

"""Timelines from precomputed features, beside the truth, and the figures made of them."""

import csv
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

import tiny_folder
from mmpyramid.core import Modality, Timeline
from mmpyramid.datasets.llp import read_llp
from mmpyramid.models import (
    HAN,
    HANConfig,
    MMPyramid,
    MMPyramidConfig,
    load_pretrained,
    save_pretrained,
)
from mmpyramid.problems import Decoder, decode, rasterize
from mmpyramid.store.npy import NpyFolder
from render.picture_parts import Drawing
from training import tiny_corpus

IDS = ("clip0000014", "clip0000016")


@pytest.fixture(scope="session")
def han(tmp_path_factory):
    torch.manual_seed(1)
    config = HANConfig(labels=tiny_corpus.LABELS, width=16, gate="per_modality")
    return save_pretrained(HAN(config), tmp_path_factory.mktemp("han"))


@pytest.fixture(scope="session")
def predicted(corpus, model, han, tmp_path_factory):
    """Both networks on two clips of the test split, with the truth beside the first."""
    from mmpyramid.cli import main

    out = tmp_path_factory.mktemp("predicted")
    words = ["--data", corpus, "--ids", *IDS]
    for folder, network in {"han": han, "ours": model}.items():
        more = ["--truth", "--formats", "json,html,svg"] if folder == "ours" else []
        command = ["predict", network, *words, "--out", out / folder, *more]
        assert main([str(word) for word in command]) == 0
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["han", "ours"])
def test_a_timeline_is_what_the_network_says(name, predicted, corpus, model, han):
    path = {"han": han, "ours": model}[name]
    network = load_pretrained(path)
    for item_id in IDS:
        features = NpyFolder(corpus).load(item_id)
        scores = network.predict(features)
        expected = decode(scores, Decoder(gate=network.config.gate))
        timeline = Timeline.load(predicted / name / f"{item_id}.json")
        assert_same(timeline.events, expected.events)
        assert bool(timeline.unit_weights) == bool(expected.unit_weights)
        for found, weights in zip(timeline.unit_weights, expected.unit_weights, strict=True):
            np.testing.assert_allclose(found, weights, rtol=1e-6)
        assert (timeline.source, timeline.model) == (item_id, str(path))
        assert (timeline.labels, timeline.notes) == (tiny_corpus.LABELS, ())
        assert bool(timeline.unit_weights) == (name == "ours")


@pytest.mark.slow
def test_the_gate_of_the_network_decides(corpus, run, tmp_path):
    network = MMPyramid(MMPyramidConfig(labels=tiny_corpus.LABELS, width=16))
    found = {}
    for gate in ("global", "per_modality"):
        network.config.gate = gate
        save_pretrained(network, tmp_path / gate)
        out = tmp_path / f"out-{gate}"
        words = ("--data", corpus, "--ids", ",".join(read_llp(corpus, "test").ids), "--out", out)
        assert run("predict", tmp_path / gate, *words) == 0
        found[gate] = [Timeline.load(path).events for path in sorted(out.iterdir())]
    scores = [network.predict(NpyFolder(corpus).load(i)) for i in read_llp(corpus, "test").ids]
    assert found["global"] != found["per_modality"]
    for gate, events_of_all in found.items():
        for events, one in zip(events_of_all, scores, strict=True):
            assert_same(events, decode(one, Decoder(gate=gate)).events)


def assert_same(events, expected) -> None:
    """The same events, whose scores may be rounded otherwise: several clips are scored at once."""
    assert [replace(event, score=0.0) for event in events] == [
        replace(event, score=0.0) for event in expected
    ]
    assert [e.score for e in events] == pytest.approx([e.score for e in expected], rel=1e-6)


def test_the_truth_is_what_is_annotated(predicted, corpus):
    annotations = read_llp(corpus, "test")
    for item_id in IDS:
        truth = Timeline.load(predicted / "ours" / f"{item_id}.truth.json")
        row = annotations.ids.index(item_id)
        heard, seen = rasterize(truth, 10)
        np.testing.assert_array_equal(heard, annotations.audio[row])
        np.testing.assert_array_equal(seen, annotations.visual[row])
        both = rasterize(truth.of(Modality.AUDIO_VISUAL), 10)[0]
        np.testing.assert_array_equal(both, (annotations.audio & annotations.visual)[row])
        assert {event.score for event in truth} == {1.0}
        assert (truth.model, truth.duration) == ("annotations", 10.0)
    assert not list((predicted / "han").glob("*.truth.json"))


def test_other_formats_come_along(predicted):
    page = (predicted / "ours" / f"{IDS[0]}.html").read_text()
    assert '"scores":{"kind":"parsing"' in page, "probabilities under the lanes"
    assert '"name":"truth"' in page
    drawing = Drawing((predicted / "ours" / f"{IDS[0]}.svg").read_text())
    assert drawing.texts[0] == IDS[0]


def test_figure_6_compares_truth_and_networks(predicted, run, tmp_path, capsys):
    paths = [predicted / folder / f"{IDS[0]}.json" for folder in ("han", "ours")]
    truth = predicted / "ours" / f"{IDS[0]}.truth.json"
    out = tmp_path / "new" / "figure.svg"
    assert run("render", truth, *paths, "--to", "svg", "--out", out) == 0
    drawing = Drawing(out.read_text())
    assert {"truth", "han", "ours"} < set(drawing.texts)
    events = [event for path in (truth, *paths) for event in Timeline.load(path)]
    assert len(drawing.bars) == len(events)
    assert sorted((bar.start, bar.end) for bar in drawing.bars) == sorted(
        (event.start, event.end) for event in events
    )
    names = ("--names", "the truth, HAN ,MM-Pyramid", "--out", out)
    assert run("render", truth, *paths, "--to", "svg", *names) == 0
    assert {"the truth", "HAN", "MM-Pyramid"} < set(Drawing(out.read_text()).texts)
    capsys.readouterr()
    assert run("render", truth, *paths, "--to", "png") == 0
    beside = truth.with_suffix(".comparison.png")
    assert capsys.readouterr().out.strip() == str(beside)
    assert beside.read_bytes().startswith(b"\x89PNG")


def test_figure_5_shows_what_selective_fusion_chose(predicted, run):
    path = predicted / "ours" / f"{IDS[0]}.json"
    weights = np.array(Timeline.load(path).unit_weights)
    assert run("render", path, "--to", "svg", "--unit-weights") == 0
    shown = Drawing(path.with_suffix(".unit-weights.svg").read_text()).texts
    for weight in weights.ravel():
        assert f"{weight:.2f}" in shown
    assert run("render", path, "--to", "csv", "--unit-weights") == 0
    with path.with_suffix(".unit-weights.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["weight"]) for row in rows] == weights.ravel().tolist()
    assert run("render", path, "--to", "png") == 0
    assert path.with_suffix(".png").read_bytes() != path.with_suffix(".unit-weights.svg")


@pytest.mark.slow
def test_event_localization_gives_audio_visual_events(events, run, tmp_path):
    folder, model = events
    words = ("--data", folder, "--ids=-bbbbbbbbbb,aaaaaaaaaaa", "--truth", "--out", tmp_path)
    assert run("predict", model, *words, "--formats", "json,html") == 0
    truth = Timeline.load(tmp_path / "-bbbbbbbbbb.truth.json")
    assert [(e.label, e.start, e.end) for e in truth] == [("Cat", 0, 3), ("Dog", 2, 10)]
    assert {event.modality for event in truth} == {Modality.AUDIO_VISUAL}
    predicted = Timeline.load(tmp_path / "-bbbbbbbbbb.json")
    network = load_pretrained(model)
    with h5py.File(folder / "audio_feature.h5") as a, h5py.File(folder / "visual_feature.h5") as v:
        rows = {"vggish": a["avadataset"][1], "vgg19": v["avadataset"][1]}
    scores = network.predict({name: rows[name].astype(np.float32) for name in rows})
    assert_same(predicted.events, decode(scores).events)
    assert len(predicted) > 0
    assert {event.modality for event in predicted} == {Modality.AUDIO_VISUAL}
    assert np.shape(predicted.unit_weights)[::2] == (2, 10)


def test_an_id_with_a_comma_is_one_id(run, tmp_path):
    tiny_folder.write_features(tmp_path, 2)
    rows = [{**row, "split": "test"} for row in tiny_folder.rows_of(2)]
    names = {tiny_folder.name_of(0): "rain, and wind", tiny_folder.name_of(1): "bird"}
    for row in rows:
        row["video"] = f"{names[row['video'].removesuffix('.mp4')]}.mp4"
    tiny_folder.write_table(tmp_path / "annotations.csv", rows)
    for path in [*tmp_path.rglob("*.npy")]:
        path.rename(path.with_name(f"{names[path.stem]}.npy"))
    streams = {"audio_streams": {"yamnet": 1024}, "visual_streams": {"efficientnet_lite0": 1280}}
    network = MMPyramid(MMPyramidConfig(labels=tiny_folder.LABELS, width=16, **streams))
    model = save_pretrained(network, tmp_path / "model")
    for ids in (("rain, and wind", "bird"), ("bird",)):
        out = tmp_path / str(len(ids))
        run("predict", model, "--data", tmp_path, "--ids", *ids, "--out", out)
        assert {path.name for path in out.iterdir()} == {f"{name}.json" for name in ids}


def test_what_is_simulated_is_called_so(run, model, tmp_path, capsys):
    data = tmp_path / "data"
    sizes = ("--train", 1, "--val", 1, "--test", 1)
    assert run("simulate", "--out", data, *sizes) == 0
    (item_id,) = read_llp(data, "test").ids
    network = MMPyramid(MMPyramidConfig(width=16))
    save_pretrained(network, tmp_path / "model")
    words = ("--data", data, "--ids", item_id, "--truth", "--out", tmp_path / "out")
    capsys.readouterr()
    assert run("predict", tmp_path / "model", *words, "--formats", "json,svg") == 0
    message = "simulated features: no video is behind them"
    assert capsys.readouterr().out.startswith(f"{message}\n")
    for name in (f"{item_id}.json", f"{item_id}.truth.json"):
        assert Timeline.load(tmp_path / "out" / name).notes == (message,)
    assert message in Drawing((tmp_path / "out" / f"{item_id}.svg").read_text()).texts


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ids", "clip0000041"], "did you mean clip0000019 or clip"),
        (["--ids", "zzz"], "the first is clip0000014"),
        (["--ids", IDS[0], "--formats", "zip"], "out of ass, audition.csv, boris, csv, eaf, "),
        (["--ids", IDS[0], "--formats", ","], "got none"),
        (["--ids", ","], "one or more ids"),
        (["--ids", "clip0000000", "--split", "train", "--truth"], "weak labels only"),
        (["--ids", IDS[0], "--features", "gone"], "expected features in gone"),
    ],
)
def test_mistakes_are_reported_in_one_paragraph(
    words, message, corpus, model, run, tmp_path, capsys
):
    out = tmp_path / "out"
    assert run("predict", model, "--data", corpus, "--out", out, *words) == 2
    line = capsys.readouterr().err
    assert line.startswith("mmpyramid predict: ")
    assert message in line
    assert len(line.splitlines()) == 1
    assert not out.exists()


def test_features_of_another_set_are_reported(corpus, open_model, run, tmp_path, capsys):
    words = ("--data", corpus, "--ids", IDS[0], "--out", tmp_path / "out")
    assert run("predict", open_model, *words) == 2
    message = capsys.readouterr().err
    assert "reads the streams yamnet (1024), efficientnet_lite0 (1280)" in message
    assert "hold vggish (128)" in message


def test_a_corpus_for_the_other_task_is_reported(corpus, model, events, run, tmp_path, capsys):
    event_corpus, event_model = events
    for network, data in ((event_model, corpus), (model, event_corpus)):
        words = ("--data", data, "--ids", IDS[0], "--out", tmp_path / "out")
        assert run("predict", network, *words) == 2
        message = capsys.readouterr().err
        assert "networks need the layout of LLP, and localization networks that of AVE" in message
        assert "labels.txt" not in message


def test_an_output_that_cannot_be_written(corpus, model, run, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    words = ("--data", corpus, "--ids", IDS[0], "--out", tmp_path / "file")
    assert run("predict", model, *words) == 2
    assert "file" in capsys.readouterr().err

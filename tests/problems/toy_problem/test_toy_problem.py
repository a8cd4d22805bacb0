import numpy as np
import pytest
from dense_events import NAME, DenseConfig, DenseDataset, DenseObjective

import tiny_unav
from mmpyramid.cli import main
from mmpyramid.core import Decoder, Modality
from mmpyramid.datasets import open_dataset
from mmpyramid.models import load_pretrained
from mmpyramid.problems import decode, problem_named
from mmpyramid.problems.detection import (
    EventTable,
    average_precision,
    match_detections,
    mean_average_precision,
)
from mmpyramid.stream import EventStream
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.run import fit


@pytest.mark.slow
def test_a_problem_from_outside_is_trained_evaluated_decoded_and_streamed(tmp_path, capsys):
    (tmp_path / "dense.txt").touch()
    config = TrainConfig(model=DenseConfig(width=16), objective=DenseObjective(), epochs=12)
    config.learning_rate, config.device, config.batch_size = 1e-2, "cpu", 4
    model = fit(config, tmp_path, tmp_path / "run", progress=False).model
    network, test = load_pretrained(model), DenseDataset("test")
    problem = problem_named(NAME)
    assert problem.evaluate(network, test).f_score > 90 > problem.references(test)["everything"][0]
    pages = ("--pages", str(tmp_path / "pages"))
    assert main(["evaluate", str(model), "--data", str(tmp_path), *pages]) == 0
    assert "everything" in capsys.readouterr().out
    words = ("--data", str(tmp_path), "--ids", test.ids[0], "--out", str(tmp_path))
    assert main(["predict", str(model), *words, "--formats", "html"]) == 0
    assert '"scores":null' in (tmp_path / f"{test.ids[0]}.html").read_text(), "no rule in the page"
    video = {name: np.concatenate(values) for name, values in test.values.items()}
    timeline = decode(network.predict(video), Decoder(max_gap=1))
    assert len(timeline) > 20
    stream = EventStream(network, Decoder(max_gap=1))
    ended = sorted([*stream.push(video), *stream.finish()])
    assert [(e.start, e.end, e.label) for e in ended] == [
        (e.start, e.end, e.label) for e in timeline
    ]


@pytest.mark.slow
def test_it_learns_the_dense_events_of_unav_and_is_measured_with_their_exact_times(tmp_path):
    """MM-Pyramid's encoder with a dense head, on videos of 6 to 14 s in the layout of UnAV-100."""
    data = tiny_unav.make(tmp_path / "unav")
    streams = {
        "audio_streams": {"vggish": 128},
        "visual_streams": {"i3d_rgb": 1024, "i3d_flow": 1024},
    }
    model = DenseConfig(width=16, labels=tiny_unav.LABELS, **streams)
    config = TrainConfig(model=model, objective=DenseObjective(), epochs=12)
    config.learning_rate, config.device, config.batch_size = 1e-2, "cpu", 4
    network = load_pretrained(fit(config, data, tmp_path / "run", progress=False).model)
    test = open_dataset(data, "test", network.inputs, problem=NAME)
    rows = []
    for video, name in enumerate(test.ids):
        for event in decode(network.predict(test.item(name)), Decoder()):
            label = test.labels.index(event.label)
            rows.append((video, label, event.start, event.end, event.score))
    found, true = as_table(rows), as_table([(*event, 1.0) for event in test.events])
    precision_KC = average_precision(match_detections(found, true, len(test), len(test.labels)))
    everywhere = [
        (video, label, 0.0, len(test.truth(name)[Modality.AUDIO_VISUAL]), 1.0)
        for video, name in enumerate(test.ids)
        for label in range(len(test.labels))
    ]
    matched = match_detections(as_table(everywhere), true, len(test), len(test.labels))
    half = 4  # tIoU 0.5
    assert mean_average_precision(precision_KC)[half] > 60
    assert mean_average_precision(average_precision(matched))[half] < 40


def as_table(rows):
    video, label, start, end, score = np.array(rows, dtype=float).T
    return EventTable(
        video=video.astype(int), label=label.astype(int), start=start, end=end, score=score
    )

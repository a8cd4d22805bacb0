import numpy as np
import pytest
from dense_events import NAME, DenseConfig, DenseDataset, DenseObjective

from mmpyramid.cli import main
from mmpyramid.core import Decoder
from mmpyramid.models import load_pretrained
from mmpyramid.problems import decode, problem_named
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

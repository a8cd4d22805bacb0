"""Training for real: it learns, keeps the best, and resumes to the same weights after a kill."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from mmpyramid.cli import main
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.refined import write_refined
from mmpyramid.models import MMPyramidConfig, load_pretrained
from mmpyramid.models.checkpoint import read_description
from mmpyramid.problems import ParsingProblem, problem_named
from mmpyramid.problems.localization.losses import DecomposedObjective
from mmpyramid.problems.parsing.losses import GuidedObjective
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.module import NetworkModule
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit, read_config, resolve_precision
from training import tiny_corpus

FLAGS = [
    *("--model.width", "16", "--model.pyramid.num-heads", "4", "--batch-size", "4"),
    *("--learning-rate", "1e-3", "--schedule.factor", "1"),
    *("--precision", "32-true", "--accelerator", "cpu"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"))


def command(corpus: Path, out: Path, *more: str) -> list[str]:
    return ["train", "llp", "--data", str(corpus), "--out", str(out), *FLAGS, *more]


def launch(corpus: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "mmpyramid", *command(corpus, out, *more)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_run_leaves_network_configuration_and_log(corpus, tmp_path, capsys):
    assert main(command(corpus, tmp_path / "run", "--epochs", "8")) == 0
    printed = capsys.readouterr().out
    assert "best epoch" in printed
    network = load_pretrained(tmp_path / "run" / "model")
    assert network.labels == tiny_corpus.LABELS
    resolved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert resolved["model"]["width"] == 16
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))
    assert main(["evaluate", str(tmp_path / "run" / "model"), "--data", str(corpus)]) == 0
    table = capsys.readouterr().out
    ours, trivial = (
        float(next(line for line in table.splitlines() if line.startswith(row)).split()[-2])
        for row in ("model", "nothing")
    )
    assert ours > trivial + 20, f"the network learned nothing:\n{table}"


def test_a_run_that_diverges_says_so(corpus, tmp_path, capsys):
    words = command(corpus, tmp_path / "run", "--epochs", "3")
    words[words.index("--learning-rate") + 1] = "1e6"
    assert main(words) == 2
    assert "its training has diverged" in capsys.readouterr().err
    assert not (tmp_path / "run" / "model").exists()


def test_a_run_is_not_overwritten_or_mixed(corpus, tmp_path):
    (tmp_path / "config.yaml").write_text("epochs: 3\n")
    with pytest.raises(UserError, match="already holds a run"):
        fit(RECIPES["llp"](), corpus, tmp_path)
    with pytest.raises(UserError, match="another configuration"):
        fit(RECIPES["llp"](), corpus, tmp_path, resume=True)
    assert (tmp_path / "config.yaml").read_text() == "epochs: 3\n"


DOUBLED = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 20)
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (DOUBLED, "aliases or too many levels"),
        ("a: &a [*a]", "aliases or too many levels"),
        ("[" * 100_000, "aliases or too many levels|nesting depth"),
        ("a: [" + "1," * 2**20 + "]", "expected at most 1 MiB"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: \0", "got a NUL"),
        ("epochs: 1\nseed: 0\nepochs: 2", "the key 'epochs' is there twice"),
        ("model: {width: 16, width: 32}", "the key 'width' is there twice"),
        ("- 1", "is not the configuration of a run"),
        ("a: 2022-99-99", "cannot be read"),
        ("? [1, 2]\n: 3", "cannot be read"),
    ],
)
def test_a_configuration_that_no_run_wrote(tmp_path, content, told):
    (tmp_path / "config.yaml").write_text(content)
    begun = time.process_time()
    with pytest.raises(UserError, match=told) as caught:
        read_config(tmp_path / "config.yaml")
    assert len(str(caught.value)) < 1000
    assert time.process_time() - begun < 10


def test_a_run_goes_on_with_its_own_data_only(corpus, tmp_path):
    config, out = dataclasses.replace(RECIPES["llp"](), epochs=1), tmp_path / "run"
    config.model = dataclasses.replace(config.model, width=16)
    fit(config, corpus, out)
    fit(config, Path(shutil.copytree(corpus, tmp_path / "moved")), out, resume=True)
    other = tiny_corpus.make(tmp_path / "other", num_train=25)
    with pytest.raises(UserError, match="which differs in data;"):
        fit(config, other, out, resume=True)
    refined = tmp_path / "refined.tsv"
    annotations = read_llp(corpus, "train")
    write_refined(refined, annotations, np.stack([annotations.weak] * 2, axis=1))
    with pytest.raises(UserError, match="which differs in data;"):
        fit(config, corpus, out, resume=True, refined=refined)


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_split_is_reported(tmp_path, split):
    sizes = {"num_train": 4, "num_val": 4} | {f"num_{split}": 0}
    data = tiny_corpus.make(tmp_path / "data", **sizes)
    with pytest.raises(UserError, match=f"videos in the {split} split"):
        fit(RECIPES["llp"](), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_context_is_the_length_of_the_videos(tmp_path):
    data = tiny_corpus.make(tmp_path / "data", seconds=13)
    config = dataclasses.replace(RECIPES["llp"](), epochs=1)
    config.model = dataclasses.replace(config.model, width=16)
    network = load_pretrained(fit(config, data, tmp_path / "run").model)
    assert network.context == 13
    corpus = open_dataset(data, "test", network.inputs)
    scored = problem_named("parsing").predict(network, corpus)
    for row in range(len(corpus)):
        streams = {name: values[0].numpy() for name, values in corpus[row].streams.items()}
        np.testing.assert_allclose(network.predict(streams).video, scored.video[row], atol=1e-6)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(corpus, tmp_path):
    epochs = ("--epochs", "12", "--ema-decay", "0.9")
    assert main(command(corpus, tmp_path / "whole", *epochs)) == 0
    for _ in range(2):
        process = launch(corpus, tmp_path / "killed", *epochs, "--resume")
        before = saved_at(tmp_path / "killed")
        deadline = time.monotonic() + 120
        while saved_at(tmp_path / "killed") == before and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert main(command(corpus, tmp_path / "killed", *epochs, "--resume")) == 0
    whole, resumed = (last_weights(tmp_path / name, 12) for name in ("whole", "killed"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    best = [
        load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed")
    ]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def test_the_average_of_the_weights_is_the_result():
    config = dataclasses.replace(RECIPES["compact"](), ema_decay=0.75)
    module = NetworkModule(config)
    (weight,) = (w for n, w in module.network.named_parameters() if n.endswith("probability.bias"))
    for value in (1.0, 3.0, 7.0):
        with torch.no_grad():
            weight.fill_(value)
        module.on_train_batch_end(None, None, 0)
    averaged = dict(module.result.named_parameters())["head.probability.bias"]
    torch.testing.assert_close(averaged, torch.full_like(weight, 0.75 * 1.5 + 0.25 * 7))
    assert not averaged.requires_grad


@pytest.mark.slow
def test_the_average_is_what_is_kept(corpus, tmp_path, capsys):
    assert main(command(corpus, tmp_path, "--epochs", "2", "--ema-decay", "0.9", "--json")) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    *_, last = [line for line in lines if line["event"] == "progress"]
    assert (last["step"], last["unit"], last["detail"]) == ("train", "steps", "epoch 2/2")
    assert last["completed"] == last["total"] > 2
    epochs = [line["values"] for line in lines if line["event"] == "message"]
    assert [values["epoch"] for values in epochs] == [1, 2]
    metrics = read_description(tmp_path / "model")["metrics"]
    best = epochs[int(metrics["epoch"]) - 1]
    assert best["val/segment_type_av"] == pytest.approx(metrics["val/segment_type_av"])
    kept = load_file(tmp_path / "model" / "model.safetensors")
    trained = torch.load(tmp_path / "last.ckpt", weights_only=False)["state_dict"]
    name = "encoder.pyramid.units.0.audio_block.dilated.weight"
    assert torch.equal(kept[name], trained[f"average.module.{name}"])
    assert not torch.equal(kept[name], trained[f"network.{name}"])


@pytest.mark.slow
def test_bf16_trains_and_leaves_float32_weights(corpus, tmp_path):
    words = command(corpus, tmp_path / "run", "--epochs", "4")
    words[words.index("32-true")] = "bf16-mixed"
    assert main(words) == 0
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    reached = read_description(tmp_path / "run" / "model")["metrics"]["val/segment_type_av"]
    assert reached > 50


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--clip-norm", "1")])
def test_bf16_goes_on_to_the_same_weights(corpus, tmp_path, more):
    def train(folder: str, epochs: int, *resume: str) -> None:
        words = command(corpus, tmp_path / folder, "--epochs", str(epochs), *more, *resume)
        words[words.index("32-true")] = "bf16-mixed"
        assert main(words) == 0

    train("whole", 3)
    train("parts", 2)
    train("parts", 3, "--resume")
    whole, parts = (last_weights(tmp_path / name, 3) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.slow
def test_two_processes_train_one_network_and_validate_each_video_once(tmp_path):
    data = tiny_corpus.make(tmp_path / "data", num_train=8, num_val=7)
    words = command(data, tmp_path / "run", "--epochs", "2", "--devices", "2")
    done = subprocess.run(
        [sys.executable, "-m", "mmpyramid", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("best epoch") == 1
    batch = "global batch of 8 videos (--devices 2 x --num-nodes 1 x --batch-size 4)"
    assert done.stderr.count(f"{batch}; the learning rate stays 0.001\n") == 1
    epochs = [line.split(":")[0] for line in done.stderr.splitlines() if "loss" in line]
    assert epochs == ["epoch 1/2", "epoch 2/2"]
    numbers = read_description(tmp_path / "run" / "model")["metrics"]
    network = load_pretrained(tmp_path / "run" / "model")
    assert network.labels == tiny_corpus.LABELS
    report = ParsingProblem().evaluate(network, open_dataset(data, "val", network.inputs))
    for level, scores in report.to_dict().items():
        for measure, value in scores.items():
            assert numbers[f"val/{level}_{measure}"] == pytest.approx(value, rel=1e-6)


@dataclasses.dataclass(kw_only=True, slots=True)
class FailingObjective(GuidedObjective):
    """Puts values in places, for which PyTorch has no algorithm that repeats itself; or is full."""

    is_full: bool = False

    def __call__(self, output, batch, criterion=None):
        loss = GuidedObjective.__call__(self, output, batch, criterion)
        if self.is_full:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return loss + torch.zeros(2).put_(torch.tensor([0]), torch.ones(1)).sum()


def train_failing(corpus, tmp_path, monkeypatch, *more, **settings):
    def recipe():
        config = RECIPES["llp"]()
        return dataclasses.replace(config, objective=FailingObjective(**settings))

    monkeypatch.setitem(RECIPES, "failing", recipe)
    words = command(corpus, tmp_path / "run", "--epochs", "1", *more)
    words[1] = "failing"
    return main(words)


def test_an_operator_that_cannot_repeat_itself_is_named(corpus, tmp_path, monkeypatch, capsys):
    try:
        assert train_failing(corpus, tmp_path, monkeypatch, "--deterministic") == 2
    finally:
        torch.use_deterministic_algorithms(False)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "mmpyramid" in line]
    assert line.startswith(
        "mmpyramid train: --deterministic: PyTorch has no algorithm for the operator put_ that "
        "repeats itself on cpu; train without --deterministic, or"
    )
    assert train_failing(corpus, tmp_path, monkeypatch, "--resume", "--no-deterministic") == 2, (
        "it is part of the configuration"
    )
    assert "which differs in deterministic" in capsys.readouterr().err


def test_a_full_gpu_says_what_to_do(corpus, tmp_path, monkeypatch, capsys):
    assert train_failing(corpus, tmp_path, monkeypatch, is_full=True) == 2
    error = capsys.readouterr().err
    assert "memory of the GPU is full; take a smaller --batch-size" in error
    assert "Traceback" not in error


def saved_at(run: Path) -> float:
    last = run / "last.ckpt"
    return last.stat().st_mtime_ns if last.exists() else 0


def last_weights(run: Path, epochs: int) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "last.ckpt", weights_only=False)
    assert checkpoint["epoch"] == epochs - 1, "counted from 0"
    return checkpoint["state_dict"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("epochs", 0), ("learning_rate", -1.0), ("learning_rate", float("nan"))),
        *(("clip_norm", -1.0), ("ema_decay", 1.0), ("seed", -5)),
    ],
)
def test_senseless_settings_name_their_flag(field, value):
    with pytest.raises(UserError, match=f"--{field.replace('_', '-')}"):
        dataclasses.replace(RECIPES["llp"](), **{field: value})


def test_an_objective_of_the_other_task_is_refused():
    with pytest.raises(UserError, match="`mm-pyramid` is for parsing"):
        TrainConfig(model=MMPyramidConfig(), objective=DecomposedObjective())
    with pytest.raises(UserError, match=r"--objective\.visual-smoothing"):
        GuidedObjective(visual_smoothing=1.5)


def test_precision():
    assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"
    assert resolve_precision("auto", "cpu") in {"bf16-mixed", "32-true"}


def test_the_gpu_of_a_mac_does_not_take_the_answer_of_its_processor(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"arm_bf16": True}, raising=False)
    assert resolve_precision("auto", "cpu") == "bf16-mixed"
    assert resolve_precision("auto", "mps") == "32-true"

"""What has to hold on a GPU. The same tests run on a CPU where they mean something there."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from media_files import gray, tone, write_media
from mmpyramid.accelerate import CudaRecorder, TrainingStep, placement
from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.registry import BackboneOptions, create_extractors
from mmpyramid.cli import main
from mmpyramid.core.device import use_float32
from mmpyramid.core.errors import UserError
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.models import create_model, load_pretrained, save_pretrained
from mmpyramid.pipeline import Pipeline
from mmpyramid.store.store import FeatureStore
from mmpyramid.training.module import NetworkModule
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit
from random_batch import random_batch
from training import tiny_corpus, tiny_events
from training.test_graphs import ASKING

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no NVIDIA GPU")
CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])
DEVICES = [pytest.param("cpu", marks=pytest.mark.slow), CUDA]
on_any_device = pytest.mark.parametrize("device", DEVICES)
on_a_gpu = pytest.mark.parametrize("device", [CUDA])
in_both_formats = pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])


@pytest.fixture(autouse=True)
def undone():
    """What is set for a whole process does not outlast a test."""
    yield
    torch.use_deterministic_algorithms(False)
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode("default")
    use_float32()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """A small corpus for each problem."""
    folder = tmp_path_factory.mktemp("data")
    parsing = tiny_corpus.make(folder / "llp", num_train=26)
    return {"parsing": parsing, "localization": tiny_events.make(folder)}


def config_of(name: str, device: str, **changes):
    config = RECIPES[name]()
    model = dataclasses.replace(config.model, width=16)
    return dataclasses.replace(config, model=model, device=device, **changes)


def step_of(name: str, device: str, precision: str, *, graph: bool, width: int = 64):
    """A function that takes a step of a recipe on ever other videos, and what it said."""
    config = config_of(name, device, precision=precision)
    config.model.width = width
    torch.manual_seed(0)
    module = NetworkModule(config).to(device)
    adam = torch.optim.Adam(module.network.parameters(), lr=1e-4, fused=True)
    said: list[str] = []
    recorder = CudaRecorder(torch.device("cuda", 0)) if graph else None
    step = TrainingStep(module.loss, module.network, adam, recorder=recorder, report=said.append)
    batch = random_batch(config.model, config.objective.problem).to(device)

    def take(index: int) -> torch.Tensor:
        torch.manual_seed(index)
        order = torch.randperm(len(batch.mask_BT)).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed"):
            return step(batch.map(lambda values: values[order]))

    return take, said, module


@pytest.mark.parametrize(
    ("name", "device"),
    [
        *(pytest.param(name, "cuda", marks=[pytest.mark.gpu, NO_GPU]) for name in RECIPES),
        *(pytest.param(name, "cpu", marks=pytest.mark.slow) for name in ("llp", "ave", "avel")),
    ],
)
@in_both_formats
def test_every_recipe_takes_steps(name, precision, device):
    take, said, module = step_of(name, device, precision, graph=device == "cuda", width=32)
    losses = [take(index) for index in range(3)]
    assert torch.stack(losses).isfinite().all()
    assert {weight.dtype for weight in module.network.parameters()} == {torch.float32}
    if device == "cuda":
        (how,) = said
        assert how.startswith("steps operator by operator" if name in ASKING else "one CUDA graph")


@on_a_gpu
@pytest.mark.parametrize("name", RECIPES)
def test_float32_is_float32(name, device):
    use_float32()
    config = RECIPES[name]()
    torch.manual_seed(0)
    network = create_model(config.model).eval()
    batch = random_batch(config.model, config.objective.problem)
    outputs = []
    for where in ("cpu", device):
        moved, there = batch.to(where), network.to(where)
        with torch.inference_mode():
            output = there(moved.streams, moved.mask_BT, moved.present_BM)
        outputs.append(there.tensors(output, moved.mask_BT))
    for tensor_name, expected in outputs[0].items():
        found = outputs[1][tensor_name].cpu()
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5, msg=tensor_name)


@on_a_gpu
@in_both_formats
@pytest.mark.parametrize("name", ["llp", "han-ma", "ave", "cmran"])
def test_fifty_steps_of_a_graph_are_those_without(name, precision, device):
    eager, _, _ = step_of(name, device, precision, graph=False)
    graph, said, _ = step_of(name, device, precision, graph=True)
    found, expected = (torch.stack([take(i) for i in range(50)]) for take in (graph, eager))
    assert said == ["one CUDA graph per step"]
    tolerance = 1e-4 if precision == "32-true" else 1e-2
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=0)


@on_a_gpu
def test_a_failed_recording_leaves_random_numbers_usable(device):
    """On the last GPU, which is not the current one where there are several."""
    last = torch.device(device, torch.cuda.device_count() - 1)

    def waits() -> torch.Tensor:
        return torch.full((), torch.rand((), device=last).item())

    with pytest.raises(RuntimeError):
        CudaRecorder(last).record(waits)
    assert torch.isfinite(torch.rand(3, device=last)).all()


@on_a_gpu
def test_nothing_in_an_epoch_waits_for_the_gpu(corpora, tmp_path, monkeypatch, device):
    start, check = NetworkModule.on_train_batch_start, NetworkModule.on_validation_epoch_start

    def begin(module, batch, index):
        start(module, batch, index)
        if module.global_step > 1:  # The first step is recorded and tried.
            torch.cuda.set_sync_debug_mode("error")

    def end(module):
        torch.cuda.set_sync_debug_mode("default")
        check(module)

    monkeypatch.setattr(NetworkModule, "on_train_batch_start", begin)
    monkeypatch.setattr(NetworkModule, "on_validation_epoch_start", end)
    # 26 videos: an epoch ends with two that no graph takes.
    config = config_of("llp", device, epochs=2, batch_size=4, ema_decay=0.9)
    fit(config, corpora["parsing"], tmp_path, progress=False)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        *(pytest.param(n, "cuda", marks=[pytest.mark.gpu, NO_GPU]) for n in ("llp", "ave", "avel")),
        pytest.param("ave", "cpu", marks=pytest.mark.slow),
    ],
)
@in_both_formats
def test_a_resumed_run_ends_with_the_same_bits(corpora, tmp_path, name, precision, device):
    settings = {"precision": precision, "batch_size": 8, "deterministic": True}

    def train(folder: str, epochs: int, **more):
        config = config_of(name, device, epochs=epochs, **settings)
        data = corpora[config.objective.problem]
        return fit(config, data, tmp_path / folder, progress=False, **more)

    whole, parts = train("whole", 2), train("parts", 1)
    train("parts", 2, resume=True)
    assert_same_weights(whole, parts)


@on_a_gpu
def test_features_that_do_not_fit_are_read_ahead(corpora, tmp_path, monkeypatch, capsys, device):
    config = config_of("llp", device, epochs=2, batch_size=4, deterministic=True)
    on_it = fit(config, corpora["parsing"], tmp_path / "on it")
    monkeypatch.setattr(placement, "SHARE", 0.0)
    ahead = fit(config, corpora["parsing"], tmp_path / "ahead")
    first, second = [line for line in capsys.readouterr().err.splitlines() if "graph" in line]
    assert "features on the GPU" in first
    assert "features read ahead of the GPU" in second
    assert_same_weights(on_it, ahead)


@on_any_device
def test_a_run_that_diverges_says_so(corpora, tmp_path, capsys, device):
    words = ["train", "llp", "--data", str(corpora["parsing"]), "--out", str(tmp_path / "run")]
    words += ["--model.width", "16", "--learning-rate", "1e6", "--epochs", "3"]
    assert main([*words, "--device", device]) == 2
    assert "its training has diverged" in capsys.readouterr().err


@on_any_device
def test_the_commands_of_a_researcher(corpora, tmp_path, capsys, device):
    data, run = str(corpora["parsing"]), tmp_path / "run"
    small = ["--model.width", "16", "--epochs", "2", "--device", device, "--batch-size", "4"]
    assert main(["refine", "han-ma", "--data", data, "--out", str(run), *small]) == 0
    model = str(run / "retrained" / "model")
    numbers = []
    for precision in ("float32", "bfloat16"):
        words = ["evaluate", model, "--data", data, "--precision", precision]
        assert main([*words, "--device", device, "--json", str(tmp_path / "numbers.json")]) == 0
        numbers.append((tmp_path / "numbers.json").read_text())
    words = ["predict", model, "--data", data, "--ids", "clip0000036", "--out", str(tmp_path)]
    assert main([*words, "--device", device]) == 0
    assert (tmp_path / "clip0000036.json").exists()
    assert capsys.readouterr().err.count("Traceback") == 0


@on_a_gpu
def test_a_video_is_scored_alike_on_both(corpora, tmp_path, device):
    config = config_of("llp", device, epochs=1)
    network = load_pretrained(fit(config, corpora["parsing"], tmp_path, progress=False).model)
    features = {n: np.ones((25, w), np.float32) for n, w in network.streams.items()}
    on_cpu, there = network.predict(features), network.to(device).predict(features)
    for name in ("audio", "visual", "video"):
        expected, found = getattr(on_cpu, name), getattr(there, name)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


@on_a_gpu
def test_tf32_is_taken_by_name_only(corpora, tmp_path, device):
    config = config_of("llp", device, epochs=1, precision="tf32")
    fit(config, corpora["parsing"], tmp_path / "tf32", progress=False)
    assert torch.backends.cudnn.allow_tf32
    config = config_of("llp", device, epochs=1, precision="32-true")
    fit(config, corpora["parsing"], tmp_path / "float32", progress=False)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.slow
@pytest.mark.parametrize(
    "door", ["checkpoint", "backbone", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
)
def test_whoever_loads_a_network_computes_in_float32(tmp_path, door):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    if door == "checkpoint":
        load_pretrained(save_pretrained(create_model(config_of("llp", "cpu").model), tmp_path))
    elif door == "backbone":
        create_extractors(["vggish"], BackboneOptions(random_weights=True))
    else:
        with pytest.raises(UserError, match="absent"):
            Pipeline("absent", device="cuda")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("device", ["abacus", "meta"])
def test_a_pipeline_names_a_device_that_cannot_be_used(device):
    with pytest.raises(UserError, match=f"--device {device} cannot be used here"):
        Pipeline(device=device)


@on_a_gpu
def test_a_full_gpu_is_told(corpora, tmp_path, capsys, device):
    words = ["train", "llp", "--data", str(corpora["parsing"]), "--out", str(tmp_path / "run")]
    torch.cuda.set_per_process_memory_fraction(1e-3)
    try:
        assert main([*words, "--epochs", "1", "--device", device]) == 2
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "the memory of the GPU is full" in capsys.readouterr().err


@on_any_device
def test_features_of_a_gpu_are_those_of_the_cores(tmp_path, device):
    """The way of a GPU: one process of networks, decoders, batches of several videos."""
    for n in range(3):
        frames = [(k / 10, gray(n + k)) for k in range(10 * (n + 1))]
        write_media(tmp_path / f"{n}.mp4", frames, tone(300 * (n + 1), n + 1))
    stores = []
    streams = ("vggish", "r2plus1d_18") if device == "cuda" else ("vggish",)
    cores, gpu = LocalEngine(workers=1), LocalEngine(gpus=1)
    for where, engine in (("cpu", cores), (device, gpu)):
        options = BackboneOptions(device=where, random_weights=True, precision=Precision.FLOAT32)
        out = tmp_path / f"store-{len(stores)}"
        factory = partial(create_extractors, options=options)
        assert extract_corpus(tmp_path, out, streams, factory=factory, engine=engine).done == 3
        stores.append(FeatureStore(out))
    for item_id in stores[0].ids:
        expected, found = (store.load(item_id) for store in stores)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-4)


def assert_same_weights(*runs) -> None:
    first, second = (torch.load(run.last, weights_only=False)["state_dict"] for run in runs)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []

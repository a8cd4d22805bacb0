"""The graphs of the package compute what the networks in PyTorch compute, for any weights."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from media_files import steady, tone, write_media
from mmpyramid.backbones.open_networks import NETWORKS
from mmpyramid.backbones.runtime import graph_file, open_network
from mmpyramid.core.device import one_thread
from mmpyramid.export import _serialized, runtime_graph, without_weights

SHAPES = {"yamnet": (16000,), "efficientnet_lite0": (1, 224, 224, 3), "faces": (1, 160, 160, 3)}
DIMS = {"yamnet": 1024, "efficientnet_lite0": 1280, "faces": 1}


WITHOUT_PYTORCH = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name == "torch" else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""
MAIN = """
from mmpyramid.cli import main
sys.exit(main())
"""


def segments_of(name, number, seed=0):
    rng = np.random.default_rng(seed)
    shape = (number, *SHAPES[name])
    if name == "yamnet":
        return rng.normal(scale=0.1, size=shape).astype(np.float32)
    return rng.integers(0, 256, shape, np.uint8)


def random_network(name):
    """With random weights, such that the output depends on the input."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name]().eval()
        if name == "faces":  # They have to be large to count.
            torch.nn.init.constant_(network.regressor.bias, 160)
        else:
            for convolution in network.modules():
                if isinstance(convolution, torch.nn.Conv2d):
                    torch.nn.init.kaiming_uniform_(convolution.weight)
    return network, {key: values.detach().numpy() for key, values in network.named_parameters()}


def embed(name, weights, segments, chunk=2):
    return open_network(name, weights, device="cpu", dim=DIMS[name], chunk=chunk, gpu_chunk=chunk)(
        segments
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_computes_what_pytorch_computes(name):
    network, weights = random_network(name)
    segments = segments_of(name, 3)
    with torch.inference_mode():
        expected = network(torch.from_numpy(segments)).numpy()
    found = embed(name, weights, segments)
    assert found.shape == (3, DIMS[name])
    assert found.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 1e-3 * np.abs(expected).max(), "the segments differ"
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_the_threads_of_others_change_no_bit(monkeypatch):
    """Seven would sum in another order."""
    _, weights = random_network("yamnet")
    segments = segments_of("yamnet", 8)
    found = embed("yamnet", weights, segments, chunk=8)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert np.array_equal(embed("yamnet", weights, segments, chunk=8), found)


def test_one_thread_lasts_as_long_as_the_last_that_asked_for_it():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_num_threads() == 1
        second.__exit__(None, None, None)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_graph_is_refused_without_its_weights():
    _, weights = random_network("yamnet")
    del weights["convolutions.3.bias"]
    with pytest.raises(Exception, match=r"convolutions\.3\.bias|given to the session"):
        embed("yamnet", weights, segments_of("yamnet", 1))


@pytest.mark.slow
def test_the_graph_of_the_package_is_what_the_exporter_writes():
    """A change of the network, or of the exporter, would write another list of operators."""
    import onnx

    graph = runtime_graph("faces")
    written = onnx.load_from_string(
        without_weights(_serialized(graph), dict(graph.module.named_parameters()))
    )
    packaged = onnx.load_from_string(graph_file("faces").read_bytes())
    weights = sorted(name for name, _ in graph.module.named_parameters())
    for model in (written, packaged):
        given = [weight.name for weight in model.graph.initializer if weight.data_location]
        assert sorted(given) == weights


@pytest.mark.slow
@pytest.mark.network
def test_a_video_is_parsed_without_pytorch(tmp_path):
    """`parse` neither loads it nor needs it."""
    write_media(tmp_path / "clip.mp4", steady(20), tone(440, 2))
    command = [sys.executable, "-c", WITHOUT_PYTORCH + MAIN, "parse", str(tmp_path / "clip.mp4")]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    (tmp_path / "mine").mkdir()
    trained = [*command[:3], "parse", "clip.mp4", "--model", "mine"]
    found = subprocess.run(trained, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.returncode == 2
    assert "mmpyramid[torch]" in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["", WITHOUT_PYTORCH])
def test_all_public_names_that_can_be_imported_are_in_all(hidden):
    code = f"{hidden}from mmpyramid import *\nprint('parse' in vars(), 'HAN' in vars())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", str(not hidden)]

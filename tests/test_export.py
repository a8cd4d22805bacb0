"""ONNX files against PyTorch, in onnxruntime."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from mmpyramid.cli import main
from mmpyramid.core.errors import UserError
from mmpyramid.export import Graph, backbone_graph, export_onnx, network_graph
from mmpyramid.models import (
    HAN,
    HANConfig,
    MMPyramid,
    MMPyramidAVE,
    MMPyramidAVEConfig,
    MMPyramidConfig,
    PyramidConfig,
    create_model,
    save_pretrained,
)
from mmpyramid.models.registry import architecture

WIDTHS = {"ear": 5, "eye": 6}
STREAMS = {"audio_streams": {"ear": 5}, "visual_streams": {"eye": 6}}
ONE_UNIT = PyramidConfig(windows=(4,))
"""Every unit is the same code, and takes some seconds to export."""


@pytest.fixture(scope="module")
def network() -> MMPyramid:
    torch.manual_seed(0)
    pyramid = PyramidConfig(windows=(1, 8))
    config = MMPyramidConfig(width=16, labels=("Dog", "Cat"), pyramid=pyramid, **STREAMS)
    return MMPyramid(config).eval()


@pytest.fixture(scope="module")
def session(network, tmp_path_factory) -> onnxruntime.InferenceSession:
    path = tmp_path_factory.mktemp("onnx") / "new" / "network.onnx"
    assert export_onnx(network_graph(network), path) < 1e-4
    return onnxruntime.InferenceSession(path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "length"), [(1, 10), (3, 1), (2, 37), (1, 200)])
@torch.no_grad()
def test_any_batch_and_length_gives_what_pytorch_gives(network, session, batch, length):
    streams = {name: torch.randn(batch, length, width) for name, width in WIDTHS.items()}
    mask = torch.arange(length) < torch.tensor([[length - length // 3]] * batch)
    present = torch.ones(batch, 2, dtype=torch.bool)
    present[0, 1] = False
    pooled = network(streams, mask, present)
    inputs = {"mask": mask, "present": present, **streams}
    found = session.run(None, {name: x.numpy() for name, x in inputs.items()})
    audio, visual, video, video_audio, video_visual = found
    np.testing.assert_allclose(audio, pooled.prob_BTMC[:, :, 0], atol=1e-4)
    np.testing.assert_allclose(visual, pooled.prob_BTMC[:, :, 1], atol=1e-4)
    np.testing.assert_allclose(video, pooled.video_BC, atol=1e-4)
    np.testing.assert_allclose(video_audio, pooled.stream_BMC[:, 0], atol=1e-4)
    np.testing.assert_allclose(video_visual, pooled.stream_BMC[:, 1], atol=1e-4)


@pytest.mark.slow
def test_by_command_and_eight_bits_are_a_quarter_and_nearly_the_same(tmp_path, capsys):
    torch.manual_seed(0)
    network = HAN(HANConfig(width=128, labels=("Dog", "Cat"), **STREAMS))
    save_pretrained(network, tmp_path / "model")
    large, small = tmp_path / "large.onnx", tmp_path / "small.onnx"
    assert main(["export", str(tmp_path / "model"), "--out", str(large)]) == 0
    outputs = "audio, visual, video, video_audio, video_visual"
    assert f"from mask, present, ear, eye to {outputs}" in capsys.readouterr().out
    assert large.stat().st_size > 1000
    assert main(["export", str(tmp_path / "model"), "--out", str(small), "--int8"]) == 0
    assert small.stat().st_size < 0.35 * large.stat().st_size
    inputs = {
        "mask": np.ones((2, 9), bool),
        "present": np.ones((2, 2), bool),
        "ear": np.random.default_rng(0).normal(size=(2, 9, 5)).astype(np.float32),
        "eye": np.random.default_rng(1).normal(size=(2, 9, 6)).astype(np.float32),
    }
    exact, rounded = (
        onnxruntime.InferenceSession(path.read_bytes()).run(None, inputs) for path in (large, small)
    )
    worst = max(abs(a - b).max() for a, b in zip(exact, rounded, strict=True))
    assert 0 < worst < 0.05


def test_eight_bits_are_for_networks(tmp_path, capsys):
    words = ["export", "yamnet", "--int8", "--out", str(tmp_path / "yamnet.onnx")]
    assert main(words) == 2
    assert "--int8 is for networks" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["yamnet", "efficientnet_lite0"])
def test_backbones(name, tmp_path):
    assert export_onnx(backbone_graph(name), tmp_path / "backbone.onnx") < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("map_size", [(2, 3), None])
@torch.no_grad()
def test_localization_gives_relevance_and_category(map_size, tmp_path):
    torch.manual_seed(0)
    config = MMPyramidAVEConfig(width=16, map_size=map_size, pyramid=ONE_UNIT)
    network = MMPyramidAVE(config).eval()
    export_onnx(network_graph(network), tmp_path / "ave.onnx")
    session = onnxruntime.InferenceSession((tmp_path / "ave.onnx").read_bytes())
    streams = {
        "vggish": torch.randn(3, 7, 128),
        "vgg19": torch.randn(3, 7, *(map_size or ()), 512),
    }
    masks = {"mask": torch.ones(3, 7).bool(), "present": torch.ones(3, 2).bool()}
    inputs = {name: x.numpy() for name, x in {**masks, **streams}.items()}
    relevance_BT, category_BC = session.run(["relevance", "category"], inputs)
    output = network(streams)
    np.testing.assert_allclose(relevance_BT, output.relevance_BT.sigmoid(), atol=1e-4)
    np.testing.assert_allclose(category_BC, output.category_BC.softmax(-1), atol=1e-4)


@pytest.mark.parametrize("name", ["avel", "cman"])
def test_recurrent_layers_are_a_clear_error(name, tmp_path):
    network = create_model(architecture(name).config_class(width=16))
    with pytest.raises(UserError, match="without recurrent layers"):
        export_onnx(network_graph(network), tmp_path / "network.onnx")
    assert not (tmp_path / "network.onnx").exists()


class Counting(nn.Module):
    """What it computes depends on values."""

    def forward(self, x):
        return sum(x[index] for index in range(int(x.sum())))


@pytest.mark.slow
def test_what_depends_on_values_is_a_clear_error(tmp_path, capfd):
    x = {"x": torch.rand(5)}
    graph = Graph(module=Counting(), example=x, free={"x": {0: "batch"}}, outputs=("y",))
    with pytest.raises(UserError, match=r"cannot trace .*data-dependent"):
        export_onnx(graph, tmp_path / "counting.onnx")
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@torch.no_grad()
def test_normalized_layers_of_kong_are_exported_with_padding(tmp_path):
    network = create_model(architecture("kong").config_class(width=16, labels=("Dog", "Cat")))
    export_onnx(network_graph(network), tmp_path / "kong.onnx")
    session = onnxruntime.InferenceSession((tmp_path / "kong.onnx").read_bytes())
    streams = {name: torch.randn(2, 9, width) for name, width in network.streams.items()}
    mask = torch.arange(9) < torch.tensor([[9], [4]])
    inputs = {"mask": mask, "present": torch.ones(2, 2).bool(), **streams}
    (video,) = session.run(["video"], {name: x.numpy() for name, x in inputs.items()})
    short = {name: values[1:, :4] for name, values in streams.items()}
    np.testing.assert_allclose(video[1:], network.eval()(short).video_BC, atol=1e-4)

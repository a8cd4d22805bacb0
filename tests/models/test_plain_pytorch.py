"""Networks are plain PyTorch: no processor is named, nothing private is called, one graph each."""

import ast
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import mmpyramid.models
from mmpyramid.models import NetworkConfig, create_model
from mmpyramid.models.baselines import parts
from mmpyramid.training.recipes import RECIPES
from random_batch import narrow, random_batch

FILES = sorted(Path(mmpyramid.models.__file__).parent.rglob("*.py"))
PROCESSORS = {"cpu", "cuda", "mps", "xpu", "mkldnn"}


def names_of_processors(tree: ast.Module) -> set[str]:
    """What in a module depends on a processor, or on PyTorch's private parts."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            words = ast.unparse(node).split(".")
            private = words[0] == "torch" and any(word.startswith("_") for word in words[1:])
            if private or words[:2] in (["torch", "ops"], ["torch", "backends"]):
                found.add(".".join(words))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = {getattr(node, "module", None), *(alias.name for alias in node.names)}
            found |= modules & {"platform", "ctypes"}
        elif isinstance(node, ast.ClassDef):
            found |= {ast.unparse(base) for base in node.bases if "Function" in ast.unparse(base)}
        elif isinstance(node, ast.Constant) and node.value in PROCESSORS:
            found.add(str(node.value))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_networks_knows_no_processor(path):
    found = names_of_processors(ast.parse(path.read_text()))
    # Files that others wrote are read into the memory of the host.
    assert found <= ({"cpu"} if path.name == "official.py" else set())


@pytest.mark.parametrize(
    "code",
    [
        "import platform",
        "torch.ops.mkldnn.product(x)",
        "torch._fused_adam_(x)",
        "torch.backends.mkl.is_available()",
        "class A(torch.autograd.Function): pass",
        "if x.device.type == 'cpu': pass",
    ],
)
def test_the_test_above_finds_processors(code):
    assert names_of_processors(ast.parse(code))


def small(recipe: str, units: slice = slice(-1, None)) -> NetworkConfig:
    """The network of a recipe, narrow, and with few layers or units of its pyramid, if any."""
    config = narrow(RECIPES[recipe]().model, units)
    if hasattr(config, "num_layers"):
        config.num_layers = 1
    if hasattr(config, "gate"):
        config.gate = "global"  # It is for decisions, which no network makes.
    return config


UNITS = dict.fromkeys(("llp", "ave"), slice(None, None, 3))
"""First and last; the other pyramids have one unit: each is the same code, and takes seconds."""
NETWORKS = {name: small(name, UNITS.get(name, slice(-1, None))) for name in reversed(RECIPES)}


def code_of(config: NetworkConfig) -> str:
    """What a configuration says but for names and numbers of values, which no code depends on."""
    settings = {field.name: getattr(config, field.name) for field in fields(config)}
    settings["labels"] = None
    for streams in ("audio_streams", "visual_streams"):
        settings[streams] = len(settings[streams])
    if "pyramid" in settings:
        settings["pyramid"] = replace(settings["pyramid"], windows=(1,))
    return f"{type(config)} {settings}"


DISTINCT = {code_of(config): name for name, config in NETWORKS.items()}.values()
"""One recipe for each network; some differ in their features or their training alone."""


@pytest.mark.slow
@pytest.mark.parametrize("recipe", DISTINCT)
def test_a_network_compiles_as_one_graph(recipe, monkeypatch):
    network, inputs, expected = network_of(recipe)
    # PyTorch's compiler leaves packed sequences to Python. These videos are equally long, so that
    # recurrent layers give the same without packing.
    monkeypatch.setattr(parts, "pack_padded_sequence", lambda x_BTD, *_, **__: x_BTD)
    monkeypatch.setattr(parts, "pad_packed_sequence", lambda x_BTD, **_: (x_BTD, None))
    with torch._dynamo.config.patch(allow_rnn=True):
        assert_same(torch.compile(network, backend="eager", fullgraph=True)(*inputs), expected)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["talnet", "avel"])
def test_a_network_with_packed_sequences_compiles(recipe):
    network, inputs, expected = network_of(recipe)
    assert any(isinstance(module, nn.RNNBase) for module in network.modules())
    assert_same(torch.compile(network, backend="eager")(*inputs), expected)


def network_of(recipe):
    """A network, inputs of it, and what it gives; the compiler has seen none before."""
    torch.manual_seed(0)
    network = create_model(NETWORKS[recipe]).eval()
    videos = random_batch(network.config, network.problem)
    inputs = (videos.streams, videos.mask_BT, videos.present_BM)
    torch.compiler.reset()
    return network, inputs, network(*inputs)


def assert_same(found, expected):
    for ours, plain in zip(found, expected, strict=True):
        if isinstance(plain, torch.Tensor):
            torch.testing.assert_close(ours, plain)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["llp", "ave", "han"])
def test_a_training_step_compiles_as_one_graph_at_any_length(recipe):
    network = create_model(small(recipe)).train()
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    for length in (10, 150):
        shapes = {name: (2, length, width) for name, width in network.streams.items()}
        if getattr(network.config, "map_size", None):
            shapes["vgg19"] = (2, length, 7, 7, 512)
        output = compiled({name: torch.randn(shape) for name, shape in shapes.items()})
        output[0].sum().backward()
        assert output[0].shape[:2] == (2, length)

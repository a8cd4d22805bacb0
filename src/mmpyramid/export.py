"""Networks of either task and open backbones as ONNX files, compared with PyTorch before.

Shape letters: B batch, T segments, N segments of any videos, C classes, D width.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Container, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmpyramid.backbones.backbone import Backbone
from mmpyramid.backbones.open_networks import NETWORKS, with_weights
from mmpyramid.backbones.registry import BACKBONES, create_extractor
from mmpyramid.backbones.runtime import Linear
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.media.sound import SAMPLE_RATE
from mmpyramid.models import Network, load_pretrained

if TYPE_CHECKING:
    from onnx import GraphProto

CLASSIFIED = {"yamnet": nn.Sigmoid(), "efficientnet_lite0": nn.Softmax(dim=-1)}
"""The backbones that have classes of their own: how logits become probabilities."""
FREE = {"segments": {0: "segments"}}

TOLERANCE = 1e-4
"""What an exported file may differ from PyTorch in any output."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What can be written as ONNX.

    Attributes:
        module: takes the inputs in their order, gives the outputs in theirs.
        example: tensors by name of the input.
        free: by name of the input its axes that may have any size, with their names.
        outputs: names of the outputs.
    """

    module: nn.Module
    example: Mapping[str, Tensor]
    free: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]


class _Plain(nn.Module):
    """A network with plain tensors in and out."""

    def __init__(self, network: Network[Any, Any]) -> None:
        super().__init__()
        self.network = network

    def named(self, mask: Tensor, present: Tensor, *streams: Tensor) -> dict[str, Tensor]:
        by_name = dict(zip(self.network.streams, streams, strict=True))
        return self.network.tensors(self.network(by_name, mask, present), mask)

    def forward(self, mask: Tensor, present: Tensor, *streams: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.named(mask, present, *streams).values())


class _Classified(nn.Module):
    """A backbone: its embedding and the probabilities of its own classes."""

    weight_KD: Tensor
    bias_K: Tensor

    def __init__(self, backbone: Backbone, classifier: Linear, activation: nn.Module) -> None:
        super().__init__()
        self.backbone, self.activation = backbone, activation
        self.register_buffer("weight_KD", torch.tensor(classifier.weight_KD))
        self.register_buffer("bias_K", torch.tensor(classifier.bias_K))

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        embedding_ND: Tensor = self.backbone(segments)
        logit_NK = functional.linear(embedding_ND, self.weight_KD, self.bias_K)
        return embedding_ND, self.activation(logit_NK)


def network_graph(network: Network[Any, Any]) -> Graph:
    """A network: `mask` (B, T), `present` (B, 2) and its streams (B, T, ..., D), any B and T.

    Parsing networks give `audio` and `visual` (B, T, C), and pooled over all of T `video` and, of
    each stream for the gate `per_modality`, `video_audio` and `video_visual` (B, C); localization
    networks give `relevance` (B, T) and `category` (B, C). Attention is dense, so that cost grows
    with the square of T: cut long videos.
    """
    shapes = {name: (*_map_size(network, name), width) for name, width in network.streams.items()}
    streams = {name: torch.randn(2, 12, *shape) for name, shape in shapes.items()}
    masks = {"mask": torch.ones(2, 12).bool(), "present": torch.ones(2, 2).bool()}
    time = {0: "batch", 1: "segments"}
    module, example = _Plain(network).eval(), {**masks, **streams}
    with torch.no_grad():
        outputs = tuple(module.named(*example.values()))
    return Graph(
        module=module,
        example=example,
        free={"mask": time, "present": {0: "batch"}, **dict.fromkeys(streams, time)},
        outputs=outputs,
    )


def _map_size(network: Network[Any, Any], stream: str) -> tuple[int, ...]:
    """Height and width of a stream that has positions, as networks that attend to them call it."""
    size: tuple[int, int] | None = getattr(network.config, "map_size", None)
    return size if size and stream in network.inputs.visual else ()


def backbone_graph(name: str) -> Graph:
    """An open backbone: `segments` (N, ...) as its extractor takes them, any N.

    It gives `embedding` (N, D) and `probability` (N, K) of the classes of its pretraining.

    Raises:
        UserError: if its weights cannot be loaded.
    """
    extractor: Any = create_extractor(name)
    network = with_weights(name, extractor.weights)
    return Graph(
        module=_Classified(network, extractor.classifier, CLASSIFIED[name]).eval(),
        example={"segments": _segments(name, extractor.frames_per_segment)},
        free=FREE,
        outputs=("embedding", "probability"),
    )


def runtime_graph(name: str) -> Graph:
    """An open backbone as `runtime.open_network` runs it, with random weights."""
    return Graph(
        module=NETWORKS[name]().eval(),
        example={"segments": _segments(name, 1)},
        free=FREE,
        outputs=("embedding",),
    )


def _segments(name: str, num_pictures: int) -> Tensor:
    """Two segments as a backbone takes them."""
    extractor: Any = BACKBONES[name].load()
    if not extractor.frames_per_segment:
        return 0.1 * torch.randn(2, SAMPLE_RATE)
    width, height = extractor.frame_size
    return torch.randint(0, 256, (2, num_pictures, height, width, 3), dtype=torch.uint8)


def write_graphs(folder: Path) -> None:
    """Write `runtime_graph` of each open backbone without its weights, which come from elsewhere.

    For developers who changed a network; `onnx` and `onnxscript` are needed.

    Args:
        folder: that of the package, `src/mmpyramid/backbones/graphs`.

    Raises:
        UserError: if PyTorch cannot trace a network.
    """
    for name in NETWORKS:
        graph = runtime_graph(name)
        weights = dict(graph.module.named_parameters())
        write_durably(folder / f"{name}.onnx", without_weights(_serialized(graph), weights))


def without_weights(content: bytes, names: Container[str]) -> bytes:
    """A serialized graph whose weights of these names have to be given to the session."""
    import onnx

    model = onnx.load_from_string(content)
    for node in model.graph.node:
        del node.metadata_props[:]  # Where in the sources of PyTorch it comes from.
    for weight in model.graph.initializer:
        if weight.name in names:
            weight.ClearField("raw_data")
            weight.data_location = onnx.TensorProto.EXTERNAL
            weight.external_data.add(key="location", value="given to the session")
    for part in (model, model.graph):
        del part.metadata_props[:]
    del model.graph.value_info[:]
    serialized: bytes = model.SerializeToString()
    return serialized


def open_graph(model: str | Path) -> Graph:
    """The graph of a checkpoint folder, a hub id, or a backbone by name.

    Raises:
        UserError: if there is none.
    """
    name = str(model)
    return backbone_graph(name) if name in CLASSIFIED else network_graph(load_pretrained(name))


def export_onnx(graph: Graph, path: Path, *, int8: bool = False) -> float:
    """Write a graph, and compare what onnxruntime makes of the file with PyTorch.

    Args:
        graph: what is written.
        path: the file.
        int8: store the weights in eight bits, see `quantized`; nothing is promised then of how
            close the outputs are.

    Returns:
        The largest difference of any output.

    Raises:
        UserError: if it exceeds `TOLERANCE`, if PyTorch cannot trace the network, or if the disk is
            full; nothing is written then.

    Example:
        >>> export_onnx(open_graph("runs/llp/model"), Path("model.onnx"))  # doctest: +SKIP
        4.2e-07
    """
    recurrent = (nn.RNNBase, nn.RNNCellBase)
    if any(isinstance(module, recurrent) for module in graph.module.modules()):
        raise UserError(
            "expected a network without recurrent layers, which PyTorch cannot trace for lengths "
            "that are not known yet. MM-Pyramid, HAN, the hybrid transformer, CMRAN, Kong et al., "
            "STPN and CMCS can be exported"
        )
    content = quantized(_serialized(graph)) if int8 else _serialized(graph)
    difference = _largest_difference(graph, content)
    if difference > TOLERANCE and not int8:
        raise UserError(
            f"the exported graph differs from PyTorch by {difference:.1e} in onnxruntime, more "
            f"than {TOLERANCE:.0e}; try other versions of torch, onnx and onnxruntime"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content)
    return difference


def _serialized(graph: Graph) -> bytes:
    names = {name for axes in graph.free.values() for name in axes.values()}
    dims = {name: torch.export.Dim(name) for name in names}
    free = [{axis: dims[n] for axis, n in graph.free[name].items()} for name in graph.example]
    # The exporter warns about itself, and prints a network that it cannot trace as it sees it.
    with warnings.catch_warnings(), redirect_stderr(StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                graph.module,
                tuple(graph.example.values()),
                # The streams are one argument, `*streams`.
                dynamic_shapes=(*free[:2], tuple(free[2:])) if free[2:] else tuple(free),
                input_names=list(graph.example),
                output_names=list(graph.outputs),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise UserError(
                f"PyTorch cannot trace this network for any batch and length: {reason}. What it "
                "computes may not depend on values or on a fixed number of segments"
            ) from error
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _largest_difference(graph: Graph, content: bytes) -> float:
    """Run an exported graph on one row of the example beside PyTorch."""
    import onnxruntime

    row = {name: values[:1] for name, values in graph.example.items()}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(list(graph.outputs), {name: x.numpy() for name, x in row.items()})
    with torch.no_grad():
        expected = graph.module(*row.values())
    pairs = zip(found, expected, strict=True)
    return max(float(np.abs(ours - theirs.numpy()).max()) for ours, theirs in pairs)


def quantized(content: bytes) -> bytes:
    """Store the weights of products and convolutions in int8, one scale for each column.

    Their other factor is quantized anew for every call ("dynamically"), so nothing needs to be
    calibrated; but one scale serves a whole batch, so that what is scored together matters a
    little. Products of two activations, as in attention, stay in float32.

    Args:
        content: a serialized graph.

    Returns:
        The serialized graph, about a quarter as long.
    """
    import onnx
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        whole, folded, small = (Path(folder) / name for name in ("whole", "folded", "small"))
        whole.write_bytes(content)
        # Weights that the graph reshapes are weights to the quantizer only once they are folded.
        quant_pre_process(whole, folded, skip_symbolic_shape=True)
        products = _products_with_weights(onnx.load(folded).graph)
        quantize_dynamic(folded, small, per_channel=True, nodes_to_quantize=products)
        return small.read_bytes()


def _products_with_weights(graph: GraphProto) -> list[str]:
    weights = {weight.name for weight in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type in {"MatMul", "Gemm", "Conv"} and node.input[1] in weights
    ]

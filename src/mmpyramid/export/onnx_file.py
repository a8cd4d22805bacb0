"""Writes graphs as ONNX files, compared with PyTorch before."""

from __future__ import annotations

import warnings
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.export.graphs import Graph
from mmpyramid.export.int8 import quantized

TOLERANCE = 1e-4
"""What an exported file may differ from PyTorch in any output."""


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
    if any(isinstance(module, nn.RNNBase) for module in graph.module.modules()):
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

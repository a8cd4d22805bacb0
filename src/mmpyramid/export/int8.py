"""ONNX graphs with weights of eight bits."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto


def quantized(content: bytes) -> bytes:
    """Store the weights of matrix products in int8, one scale for each column.

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
        if node.op_type in {"MatMul", "Gemm"} and node.input[1] in weights
    ]

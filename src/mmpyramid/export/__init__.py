"""Networks and backbones as ONNX files, which run without PyTorch."""

from mmpyramid.export.onnx_file import (
    BACKBONES,
    Graph,
    backbone_graph,
    export_onnx,
    network_graph,
    open_graph,
)

__all__ = [
    "BACKBONES",
    "Graph",
    "backbone_graph",
    "export_onnx",
    "network_graph",
    "open_graph",
]

"""Networks and backbones as ONNX files, which run without PyTorch."""

from mmpyramid.export.graphs import BACKBONES, Graph, backbone_graph, network_graph, open_graph
from mmpyramid.export.onnx_file import export_onnx

__all__ = [
    "BACKBONES",
    "Graph",
    "backbone_graph",
    "export_onnx",
    "network_graph",
    "open_graph",
]

"""`mmpyramid export`: a network or a backbone as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from mmpyramid.cli._options import console, run


def main(words: list[str]) -> int:
    """Run the command."""
    return run(export, "export", words)


def export(
    model: Annotated[str, tyro.conf.Positional],
    /,
    *,
    out: Path,
) -> int:
    """Write a network or an open backbone as an ONNX file, which runs without PyTorch.

    The file takes any number of videos and segments, and is compared with PyTorch in onnxruntime
    before it is written.

    Example: mmpyramid export runs/llp/model --out llp.onnx

    Args:
        model: A checkpoint folder, a hub id, `yamnet` or `efficientnet_lite0`.
        out: The .onnx file to write.
    """
    from mmpyramid.export import export_onnx, open_graph

    graph = open_graph(model)
    difference = export_onnx(graph, out)
    inputs = ", ".join(graph.example)
    console().print(
        f"{out}: from {inputs} to {', '.join(graph.outputs)}; "
        f"at most {difference:.1e} from PyTorch in onnxruntime"
    )
    return 0

"""`mmpyramid export`: a network or a backbone as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from mmpyramid.cli._options import console, run
from mmpyramid.core.errors import UserError


def main(words: list[str]) -> int:
    """Run the command."""
    return run(export, "export", words)


def export(
    model: Annotated[str, tyro.conf.Positional],
    /,
    *,
    out: Path,
    int8: bool = False,
) -> int:
    """Write a network or an open backbone as an ONNX file, which runs without PyTorch.

    The file takes any number of videos and segments, and is compared with PyTorch in onnxruntime
    before it is written. Networks with recurrent layers cannot be exported.

    Example: mmpyramid export runs/llp/model --out llp.onnx

    Args:
        model: A checkpoint folder, a hub id, `yamnet` or `efficientnet_lite0`.
        out: The .onnx file to write.
        int8: Store the weights of a network in eight bits: a quarter of the size and faster, for a
            small loss (docs/speed.md).
    """
    from mmpyramid.export import BACKBONES, export_onnx, open_graph

    if int8 and model in BACKBONES:
        raise UserError(f"--int8 is for networks; most weights of {model} are convolutions")
    graph = open_graph(model)
    difference = export_onnx(graph, out, int8=int8)
    inputs = ", ".join(graph.example)
    console().print(
        f"{out}: from {inputs} to {', '.join(graph.outputs)}; "
        f"at most {difference:.1e} from PyTorch in onnxruntime"
    )
    return 0

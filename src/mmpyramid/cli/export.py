"""`mmpyramid export` and `mmpyramid convert`: networks to ONNX, and from official checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import tyro

from mmpyramid.cli._options import console
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file, check_output_folder

Architecture: TypeAlias = Literal["mm-pyramid", "han", "cmran", "psp", "avel"]
"""The keys of `CONVERTERS`, known before torch is loaded."""


def export(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
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
    from mmpyramid.export import CLASSIFIED, export_onnx, open_graph

    if int8 and model in CLASSIFIED:
        raise UserError(f"--int8 is for networks; most weights of {model} are convolutions")
    check_output_file(out)
    graph = open_graph(model)
    difference = export_onnx(graph, out, int8=int8)
    inputs = ", ".join(graph.example)
    console().print(
        f"{out}: from {inputs} to {', '.join(graph.outputs)}; "
        f"at most {difference:.1e} from PyTorch in onnxruntime"
    )
    return 0


def convert(
    checkpoint: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")],
    /,
    *,
    out: Path,
    architecture: Architecture = "mm-pyramid",
    swap_streams: bool = False,
) -> int:
    """Convert a checkpoint of the authors' code into a folder that the other commands read.

    Example: mmpyramid convert MM_Pyramid.pt --out models/official

    Args:
        checkpoint: The .pt file.
        out: Folder to write.
        architecture: Which network it holds; `han` reads HAN's checkpoints and MA's.
        swap_streams: Repeat the exchange of the audio and visual streams in the released MM-Pyramid
            code, for exact reproduction of its behavior.
    """
    from dataclasses import replace

    from mmpyramid.models import MMPyramidConfig, create_model, save_pretrained
    from mmpyramid.models.convert import CONVERTERS, read_official

    if swap_streams and architecture != "mm-pyramid":
        raise UserError(
            f"--swap-streams repeats a mistake of the released MM-Pyramid code; {architecture} has "
            "its streams in the right order; leave the flag out"
        )
    check_output_folder(out)
    config, weights = CONVERTERS[architecture](read_official(checkpoint))
    if isinstance(config, MMPyramidConfig):
        config = replace(config, swap_streams=swap_streams)
    network = create_model(config)
    network.load_state_dict(weights)
    save_pretrained(network, out)
    console().print(
        f"{architecture} with {sum(p.numel() for p in network.parameters()):,} parameters: {out}"
    )
    return 0

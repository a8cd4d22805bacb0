"""`mmpyramid convert`: from an official checkpoint to ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import tyro

from mmpyramid.cli._options import console, run
from mmpyramid.core.errors import UserError

Architecture: TypeAlias = Literal["mm-pyramid", "han", "cmran", "psp", "avel"]
"""The keys of `CONVERTERS`, known before torch is loaded."""


def main(words: list[str]) -> int:
    """Run the command."""
    return run(convert, "convert", words)


def convert(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    architecture: Architecture = "mm-pyramid",
    swap_streams: bool = False,
) -> int:
    """Turn a checkpoint of the authors' code into a folder that every other command reads.

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

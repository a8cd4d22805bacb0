"""`mmpyramid convert`: from an official checkpoint to ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import console, run


def main(words: list[str]) -> int:
    """Run the command."""
    return run(convert, "convert", words)


def convert(
    checkpoint: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    architecture: Literal["mm-pyramid"] = "mm-pyramid",
    swap_streams: bool = False,
) -> int:
    """Turn a checkpoint of the authors' code into a folder that every other command reads.

    Example: mmpyramid convert MM_Pyramid.pt --out models/official

    Args:
        checkpoint: The .pt file.
        out: Folder to write.
        architecture: Which network it holds.
        swap_streams: Repeat the released code's exchange of the audio and visual streams, for exact
            reproduction of its behavior.
    """
    from mmpyramid.models import MMPyramid, save_pretrained
    from mmpyramid.models.convert import convert_mm_pyramid, read_official

    config, weights = convert_mm_pyramid(read_official(checkpoint), swap_streams=swap_streams)
    network = MMPyramid(config)
    network.load_state_dict(weights)
    save_pretrained(network, out)
    console().print(
        f"{architecture} with {sum(p.numel() for p in network.parameters()):,} parameters: {out}"
    )
    return 0

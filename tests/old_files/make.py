"""Writes a small file of every kind that the package keeps, to see that later versions read them.

Run once, with the version whose files are to be kept:

    PYTHONPATH=src:tests python tests/old_files/make.py FOLDER
"""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.formats import encode
from mmpyramid.models import MMPyramid, MMPyramidConfig, PyramidConfig, save_pretrained
from mmpyramid.problems.parsing.predictions import Predictions
from store.tiny_store import add_all, add_and_stop, video

TIMELINE = Timeline(
    events=(
        Event(2.0, 9.0, "Dog", Modality.AUDIO, 0.81),
        Event(4.0, 9.5, '=Dog, "quoted"', Modality.AUDIO_VISUAL, 0.5),
    ),
    duration=10.0,
    labels=("Dog", '=Dog, "quoted"', "Cat"),
    source="clips/dog.mp4",
    model="teachers",
    missing=(Modality.VISUAL,),
    notes=("The file is damaged after 0:07.",),
    unit_weights=(((0.25, 0.75), (0.75, 0.25)), ((1.0, 0.5), (0.0, 0.5))),
)
VALUES = np.linspace(0, 1, 12, dtype=np.float32).reshape(2, 3, 2)
PREDICTED = Predictions(ids=("a", "b"), audio=VALUES, visual=VALUES, video=VALUES[:, 0])


def network() -> MMPyramid:
    """A network of a few thousand weights, the same every time."""
    torch.manual_seed(0)
    return MMPyramid(
        MMPyramidConfig(
            labels=("Dog", "Cat"),
            audio_streams={"a": 4},
            visual_streams={"v": 6},
            width=4,
            pyramid=PyramidConfig(windows=(1, 2), num_heads=2),
        )
    )


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    TIMELINE.save(folder / "timeline.json")
    for name in ("csv", "tsv", "eaf", "labels.txt"):
        (folder / f"timeline.{name}").write_bytes(encode(TIMELINE, name))
    PREDICTED.save(folder / "predictions.npz")
    add_all(folder / "store", {name: video(seed) for seed, name in enumerate("ab")})
    with suppress(KeyboardInterrupt):
        add_and_stop(folder / "store", {"c": video(2)})
    save_pretrained(network(), folder / "model", {"epoch": 1})


if __name__ == "__main__":
    main(Path(sys.argv[1]))

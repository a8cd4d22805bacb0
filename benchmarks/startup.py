"""Times new processes: the help, what importing the package adds to importing torch, a parse.

python benchmarks/startup.py --video clip.mp4 --clock children
"""

import ctypes
import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import tyro
from timing import command, header, interleave, table

PR_SET_CHILD_SUBREAPER = 36

COMMANDS = {
    "mmpyramid --help": ("-m", "mmpyramid", "--help"),
    "mmpyramid parse --help": ("-m", "mmpyramid", "parse", "--help"),
    "mmpyramid train llp --help": ("-m", "mmpyramid", "train", "llp", "--help"),
    "import mmpyramid": ("-c", "import mmpyramid"),
    "import torch": ("-c", "import torch"),
    "import torch, mmpyramid": ("-c", "import torch, mmpyramid"),
    "from mmpyramid import Pipeline": ("-c", "from mmpyramid import Pipeline"),
}


def start(words: tuple[str, ...]) -> None:
    """Run Python to its end, and to that of the decoders that it leaves behind."""
    with TemporaryDirectory() as folder:
        run = partial(subprocess.run, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        run([sys.executable, *words], stderr=subprocess.DEVNULL)
    with suppress(ChildProcessError):
        while True:
            os.wait()


def main(
    rounds: int = 7,
    clock: Literal["wall", "children"] = "wall",
    video: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None,
) -> None:
    """Time processes from start to end.

    Args:
        rounds: how many of each kind, in turns.
        clock: time that passes, or that they compute, decoders included (Linux).
        video: parse this one, too.
    """
    print(header())
    if clock == "children":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    commands = dict(COMMANDS)
    if video:
        commands["mmpyramid parse VIDEO"] = ("-m", "mmpyramid", "parse", str(video.absolute()))
    actions = {name: partial(start, words) for name, words in commands.items()}
    print(table(interleave(actions, rounds, clock, warm_up=1), "import torch", "s", 1))


if __name__ == "__main__":
    command(main)

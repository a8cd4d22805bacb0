"""Times new processes: the help, and what importing the package adds to importing torch.

python benchmarks/startup.py
"""

import subprocess
import sys
from functools import partial

import tyro
from timing import header, interleave, table

COMMANDS = {
    "mmpyramid --help": ("-m", "mmpyramid", "--help"),
    "mmpyramid parse --help": ("-m", "mmpyramid", "parse", "--help"),
    "import mmpyramid": ("-c", "import mmpyramid"),
    "import torch": ("-c", "import torch"),
    "import torch, mmpyramid": ("-c", "import torch, mmpyramid"),
    "from mmpyramid import Pipeline": ("-c", "from mmpyramid import Pipeline"),
}


def main(rounds: int = 7) -> None:
    """Time processes from start to end.

    Args:
        rounds: how many of each kind, in turns.
    """
    print(header())
    start = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
    actions = {name: partial(start, [sys.executable, *words]) for name, words in COMMANDS.items()}
    print(table(interleave(actions, rounds, warm_up=1), "import torch", "s", 1))


if __name__ == "__main__":
    tyro.cli(main)

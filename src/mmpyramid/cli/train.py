"""`mmpyramid train` and `mmpyramid refine`: a recipe, a corpus, a run.

What takes seconds to import is in `_training.py`, so that the list of recipes appears at once.
"""

from __future__ import annotations

from mmpyramid.cli._options import console
from mmpyramid.training.recipes import RECIPES

TRAIN = "mmpyramid train llp --data LLP --out runs/llp --epochs 40"
REFINE = "mmpyramid refine han-ma --data LLP --out runs/han-ma"


def train(args: list[str]) -> int:
    """Run `mmpyramid train` with the arguments after it."""
    if _asks_for_recipes(args):
        console().print(_usage("train", "recipes", TRAIN))
        return 0 if args else 2
    from mmpyramid.cli import _training

    return _training.train(args)


def refine(args: list[str]) -> int:
    """Run `mmpyramid refine` with the arguments after it."""
    if _asks_for_recipes(args):
        title = "recipes (those whose objective reads labels of modalities can be refined)"
        console().print(_usage("refine", title, REFINE))
        return 0 if args else 2
    from mmpyramid.cli import _training

    return _training.refine(args)


def _asks_for_recipes(args: list[str]) -> bool:
    return not args or args[0] in {"-h", "--help"}


def _usage(name: str, title: str, example: str) -> str:
    width = max(map(len, RECIPES))
    known = "\n".join(
        f"  {recipe:<{width}}  {(function.__doc__ or '').strip().partition(chr(10))[0]}"
        for recipe, function in RECIPES.items()
    )
    more = ", and the strategies (--strategy)" if name == "train" else ""
    return (
        f"usage: mmpyramid {name} RECIPE --data DIR --out RUN [options]\n\n"
        f"{title}:\n{known}\n\n"
        f"`mmpyramid {name} RECIPE --help` lists the options of a recipe{more}.\n\n"
        f"example:\n  {example}"
    )

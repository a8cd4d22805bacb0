"""From the words after `train` or `refine` to a recipe with the user's changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import tyro

from mmpyramid.cli._options import console
from mmpyramid.core.errors import UserError
from mmpyramid.training.recipes import Recipe

Command = TypeVar("Command")


def parse_command(
    command: type[Command], name: str, words: list[str], recipes: Mapping[str, Recipe]
) -> Command | int:
    """Read a recipe's name and the flags after it.

    Args:
        command: a dataclass with the fields `data`, `out` and `config`.
        name: of the program's command.
        words: the words after it.
        recipes: by name.

    Returns:
        The filled-in command, or the exit code where help was all that was asked for.

    Raises:
        UserError: if there is no such recipe, or a flag changes what comes from the data.
    """
    if not words or words[0] in {"-h", "--help"}:
        console().print(_usage(command, name, recipes))
        return 0 if words else 2
    chosen, *rest = words
    if chosen not in recipes:
        raise UserError(f"there is no recipe `{chosen}`; known are {', '.join(recipes)}")
    recipe = recipes[chosen]()
    default = command(data=tyro.MISSING, out=tyro.MISSING, config=recipe)  # type: ignore[call-arg]
    filled = tyro.cli(command, prog=f"mmpyramid {name} {chosen}", args=rest, default=default)
    model = filled.config.model  # type: ignore[attr-defined]
    if model.labels != recipe.model.labels:
        raise UserError("--model.labels comes from the data: list labels in its `labels.txt`")
    if model.context != recipe.model.context:
        raise UserError("--model.context comes from the data: it is the length of its videos")
    return filled


def _usage(command: type[Command], name: str, recipes: Mapping[str, Recipe]) -> str:
    width = max(map(len, recipes))
    known = "\n".join(f"  {recipe:<{width}}  {_summary(f)}" for recipe, f in recipes.items())
    example = (command.__doc__ or "").partition("Example: ")[2].strip()
    return (
        f"usage: mmpyramid {name} RECIPE --data DIR --out RUN [options]\n\n"
        f"recipes:\n{known}\n\nexample:\n  {example}"
    )


def _summary(recipe: object) -> str:
    return (recipe.__doc__ or "").strip().splitlines()[0]

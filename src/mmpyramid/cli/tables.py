"""`mmpyramid tables`: run a table of the paper again.

What takes seconds to import is in `_tables.py`, so that help appears at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

import tyro
from docstring_parser import parse_from_object

from mmpyramid.cli._options import OptionalPath
from mmpyramid.core.errors import UserError
from mmpyramid.training.settings import Settings

OF_A_ROW = {"model", "objective", "schedule", "seed"}
"""Fields of a recipe that make the row what it is, or that the table sets."""


def _flags() -> Any:
    """The flags that override a field of every recipe, with the types and the help of the fields.

    Only those that are given are in the result.
    """
    hints = get_type_hints(Settings, include_extras=True)
    helps = {
        field.arg_name: " ".join((field.description or "").split())
        for field in parse_from_object(Settings).params
    }
    types = {"width": int} | {name: hints[name] for name in hints if name not in OF_A_ROW}
    helps["width"] = "Width of every network."
    hint = "(default: as in the recipe)"
    return TypedDict(  # type: ignore[operator]
        "Overrides",
        {
            name: Annotated[kind, tyro.conf.arg(help=helps[name], help_behavior_hint=hint)]
            for name, kind in types.items()
        },
        total=False,
    )


def tables(  # noqa: PLR0913 - one for each flag
    name: Annotated[
        Literal["1", "2", "3", "4", "ablation", "plugin-llp", "plugin-ave"], tyro.conf.Positional
    ],
    /,
    *,
    data: OptionalPath = None,
    out: Path = Path("tables"),
    features: OptionalPath = None,
    seeds: tuple[int, ...] = (1, 2, 3),
    rows: Annotated[
        tuple[str, ...], tyro.conf.arg(help_behavior_hint="(default: all that have a recipe)")
    ] = (),
    subset: bool = False,
    list_rows: bool = False,
    overrides: Annotated[Mapping[str, Any], tyro.conf.arg(name="", constructor=_flags())] = {},
) -> int:
    """Train and score what a table needs, and write the results next to the paper's numbers.

    An interrupted table continues where it stopped: finished runs are not repeated, and an
    unfinished one continues after its last epoch. More seeds and rows can be added later.
    The page is written as Markdown, CSV and LaTeX after every run, so it can be read meanwhile.

    Example: mmpyramid tables 3 --data LLP --out tables --seeds 1 2 3

    Args:
        name: Of the paper: 1 (AVE), 2 (LLP), 3 (ablations on LLP) or 4 (shared parameters).
            Additional: ablation (sizes and parts of the pyramid, with their cost), plugin-llp and
            plugin-ave (the pyramid in front of other networks, by length of event).
        data: Corpus folder in the layout of AVE (tables 1 and plugin-ave) or LLP; only
            `--list-rows` needs none.
        out: Folder for runs and pages.
        features: Where the features are, if not in the corpus folder.
        seeds: Each row is trained once with each of these seeds.
        rows: Some rows only, as `--list-rows` names them.
        subset: Table 1: the clips whose event is shorter than they are, and the systems that the
            paper scores on them.
        list_rows: Print the rows' names and recipes, and stop.
        overrides: Fields of every recipe; the page says so.

    Raises:
        UserError: if there is no corpus.
    """
    from mmpyramid.cli._tables import list_rows as show_rows
    from mmpyramid.cli._tables import run_tables

    if list_rows:
        return show_rows(name, subset=subset)
    if data is None:
        raise UserError(
            "expected a corpus in the layout of AVE (tables 1 and plugin-ave) or LLP, got none; "
            "name its folder: --data DIR"
        )
    return run_tables(
        name,
        data,
        out,
        features=features,
        seeds=seeds,
        rows=rows,
        subset=subset,
        overrides=overrides,
    )

"""Tables that the paper has not: ablations that it only names, and its encoder in other networks.

They have no printed numbers.
"""

from __future__ import annotations

from mmpyramid.experiments.by_length import LENGTHS, PRECISION
from mmpyramid.experiments.printed import DEFAULT, F_SCORES, PRINTED, Column, Row, Table

COSTS = (
    Column(heading="Parameters (M)", path=("cost", "parameters"), once=True),
    Column(heading="GFLOPs", path=("cost", "flops"), once=True),
    Column(heading="Step", path=("cost", "step"), once=True),
)


def _row(name: str, recipe: str, relative_width: float = 1.0) -> Row:
    printed = (None,) * (len(F_SCORES) + len(COSTS))
    return Row(name=name, recipes={DEFAULT: recipe}, printed=printed, relative_width=relative_width)


ABLATION = Table(
    key="ablation",
    title="Ablations",
    caption="Parts and sizes of the pyramid on LLP",
    recipe="llp",
    columns=(*F_SCORES, *COSTS),
    rows=(
        _row("MM-Pyramid", "llp"),
        *(_row(f"{number} units", f"llp-units-{number}") for number in (1, 2, 3, 5, 6)),
        _row("Windows 1 2 3 4", "llp-windows-linear"),
        _row("Windows 4 4 4 4", "llp-windows-equal"),
        _row("Windows 8 8 8 8", "llp-unpyramid"),
        _row("A quarter of the width", "llp", 0.25),
        _row("Half the width", "llp", 0.5),
        _row("Separate cross-modal weights", "llp-non-sharing"),
        _row("Causal convolution", "llp-causal"),
        _row("Positions", "llp-positions"),
    ),
    notes=(
        "MM-Pyramid has 4 units with windows 1 2 4 8; units are added and left out at the top",
        "GFLOPs: of one video, forwards, a multiplication and an addition counted as two",
        "step: time of a training step in float32 on a CPU beside that of MM-Pyramid, the median "
        "of steps taken in turns",
    ),
    reference="mm-pyramid",
)


def _plugin(key: str, caption: str, *rows: tuple[str, str]) -> Table:
    columns = tuple(
        Column(heading=name.capitalize(), path=("found", name)) for name in (*LENGTHS, PRECISION)
    )
    return Table(
        key=key,
        title="Pyramid as a part",
        caption=caption,
        recipe=rows[0][1],
        columns=columns,
        rows=tuple(
            Row(name=name, recipes={DEFAULT: recipe}, printed=(None,) * len(columns))
            for name, recipe in rows
        ),
        notes=(
            "events found, per cent by their length: one of their class and modality is predicted "
            "with an intersection over union of at least 0.5; precision: predicted events that are "
            "annotated",
        ),
    )


PLUGIN_LLP = _plugin(
    *("plugin-llp", "Events of LLP that are found, by length"),
    *(("HAN", "han"), ("HAN + pyramid", "han-pyramid"), ("MM-Pyramid", "llp")),
)
PLUGIN_AVE = _plugin(
    *("plugin-ave", "Events of AVE that are found, by length"),
    *(("CMRAN", "cmran"), ("CMRAN + pyramid", "cmran-pyramid")),
    *(("PSP", "psp"), ("PSP + pyramid", "psp-pyramid"), ("MM-Pyramid", "ave")),
)

TABLES = {table.key: table for table in (*PRINTED, ABLATION, PLUGIN_LLP, PLUGIN_AVE)}
"""What `mmpyramid tables` knows: the paper's by number, ours by name."""

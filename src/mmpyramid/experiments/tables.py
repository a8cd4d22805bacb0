"""What a table is; the four of the paper as printed (Yu et al., ACM MM 2022), and some of ours.

A row of Table 1 has four numbers: all clips and the subset, fully then weakly supervised. A row of
Tables 2 and 3 has ten: segment and event level of Audio, Visual, AV, Type@AV and Event@AV in turn.
Tables that the paper has not (ablations that it only names, its encoder in other networks) have no
printed numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmpyramid.core.errors import UserError
from mmpyramid.experiments.measured import LENGTHS, PRECISION

RULE, SUBSET, FOUND = "rule", "subset", "found"
DEFAULT = ""
"""Name of the one setting of tables whose rows are trained in one way only."""
ROUNDING = 0.1 + 1e-9
"""How far a printed mean of three printed numbers can be off by rounding to one decimal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of numbers.

    Attributes:
        heading: as printed.
        path: where the number is in a report's `to_dict`; `RULE` stands for the row's rule.
        setting: which of a row's recipes gives the report.
        once: whether the number is the same for every seed.
    """

    heading: str
    path: tuple[str, ...]
    setting: str = DEFAULT
    once: bool = False

    def read(self, report: Mapping[str, Any], rule: str) -> float | None:
        """The number of a report; None where the report has none."""
        value: Any = report
        for key in self.path:
            if value is None:
                return None
            value = value.get(rule if key == RULE else key)
        return None if value is None else float(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One system.

    Attributes:
        name: as printed.
        recipes: recipe by setting; empty where only the printed numbers are known.
        printed: the paper's numbers, one per column, None where it has none.
        refine: whether the recipe is run by the three steps of MA.
        relative_width: the network's width beside that of the recipe, or of `--width`.
        source: what stands beside the numbers that were run: ours, or a reconstruction.
        rule: which accuracy rule the system's authors use, in localization.
        only: headings of the columns that mean something for this system; empty means all.
        notes: what a reader of this row should know.
    """

    name: str
    recipes: Mapping[str, str] = field(default_factory=dict)
    printed: tuple[float | None, ...]
    refine: bool = False
    relative_width: float = 1.0
    source: str = "ours"
    rule: str = "two_head"
    only: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The name as it is given to `--rows` and to folders.

        Example:
            >>> Row(name="MM-Pyramid w/o conv", printed=()).slug
            'mm-pyramid-w-o-conv'
        """
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of the paper.

    Attributes:
        key: what it is called on the command line and in names of files.
        title: what it is called on pages.
        caption: what it shows.
        recipe: a recipe that reads the data that the table is about.
        columns: the numbers.
        rows: the systems, in their printed order.
        notes: what a reader of the whole table should know.
        reference: slug of the row whose training step is 1, in a table that tells costs.
    """

    key: str
    title: str
    caption: str
    recipe: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    reference: str = ""

    def choose(self, slugs: tuple[str, ...]) -> tuple[Row, ...]:
        """The rows of these slugs, in the table's order; all that have a recipe for none.

        Raises:
            UserError: if a slug names no row, or one without a recipe.
        """
        runnable = {row.slug: row for row in self.rows if row.recipes}
        unknown = [slug for slug in slugs if slug not in runnable]
        if unknown:
            raise UserError(
                f"table {self.key} has no row to run called {', '.join(unknown)}; it has "
                f"{', '.join(runnable)}"
            )
        return tuple(row for slug, row in runnable.items() if not slugs or slug in slugs)

    @property
    def is_by_length(self) -> bool:
        """Whether columns tell which events are found by their length."""
        return any(column.path[0] == FOUND for column in self.columns)

    def on_subset(self) -> Table:
        """The columns about the subset alone, and the rows that the paper has a number for there.

        Raises:
            UserError: if the table has no such columns.
        """
        chosen = [index for index, column in enumerate(self.columns) if column.path[0] == SUBSET]
        if not chosen:
            raise UserError(f"table {self.key} has no columns about a subset; leave --subset out")
        rows = (
            replace(row, printed=tuple(row.printed[index] for index in chosen)) for row in self.rows
        )
        return replace(
            self,
            key=f"{self.key}-subset",
            columns=tuple(self.columns[index] for index in chosen),
            rows=tuple(row for row in rows if any(row.printed)),
        )

    def inconsistencies(self) -> Iterator[tuple[Row, str]]:
        """Rows whose printed Type@AV is not the mean of what it is defined as the mean of."""
        for level in ("Seg", "Eve"):
            headings = [f"{name} {level}" for name in ("Audio", "Visual", "AV", "Type@AV")]
            where = {column.heading: index for index, column in enumerate(self.columns)}
            if not where.keys() >= set(headings):
                continue
            for row in self.rows:
                *parts, printed = (row.printed[where[heading]] for heading in headings)
                known = [part for part in parts if part is not None]
                if printed is None or len(known) != len(parts):
                    continue
                mean = sum(known) / len(known)
                if abs(mean - printed) > ROUNDING:
                    yield (
                        row,
                        (
                            f"the paper prints {headings[-1]} {printed:.1f}, but the mean of its "
                            f"Audio, Visual and AV is {mean:.1f}, which rounding cannot explain"
                        ),
                    )


FULL, WEAK = "full", "weak"
_MEASURES = {
    "Audio": "audio",
    "Visual": "visual",
    "AV": "audio_visual",
    "Type@AV": "type_av",
    "Event@AV": "event_av",
}
F_SCORES = tuple(
    Column(heading=f"{measure} {heading}", path=(level, key))
    for measure, key in _MEASURES.items()
    for heading, level in (("Seg", "segment"), ("Eve", "event"))
)
ACCURACIES = tuple(
    Column(heading=f"{title} {clips}", path=(clips, RULE), setting=setting)
    for setting, title in ((FULL, "Sup."), (WEAK, "W-Sup."))
    for clips in ("all", SUBSET)
)
RECONSTRUCTION = "reconstruction"
"""Source of a row whose implementation is not public."""
REBUILT = "our reconstruction; the implementation that was scored is not public"
OURS = (60.9, 52.7, 54.4, 51.8, 50.0, 44.4, 55.1, 49.9, 57.6, 50.5)


def _ave(name: str, recipes: Mapping[str, str], *printed: float | None, **more: object) -> Row:
    return Row(name=name, recipes=recipes, printed=printed, **more)  # type: ignore[arg-type]


def _rebuilt(name: str, recipes: Mapping[str, str], *printed: float | None, **more: Any) -> Row:
    """A system of Table 1 for which no code was released."""
    notes = (*more.pop("notes"), REBUILT)
    return _ave(name, recipes, *printed, **{"source": RECONSTRUCTION, "notes": notes, **more})


def _llp(name: str, recipe: str, *printed: float | None, **more: object) -> Row:
    return Row(name=name, recipes={DEFAULT: recipe}, printed=printed, **more)  # type: ignore[arg-type]


def _heard(name: str, recipe: str, segment: float, event: float) -> Row:
    """A system that listens only."""
    printed = (segment, event, *(None,) * 8)
    only = ("Audio Seg", "Audio Eve")
    return _llp(name, recipe, *printed, only=only, source=RECONSTRUCTION, notes=(REBUILT,))


def _seen(name: str, recipe: str, segment: float, event: float) -> Row:
    """A system that looks only."""
    printed = (None, None, segment, event, *(None,) * 6)
    only = ("Visual Seg", "Visual Eve")
    return _llp(name, recipe, *printed, only=only, source=RECONSTRUCTION, notes=(REBUILT,))


TABLE_1 = Table(
    key="1",
    title="Table 1",
    caption="Accuracy on AVE, fully (Sup.) and weakly (W-Sup.) supervised",
    recipe="ave",
    columns=ACCURACIES,
    rows=(
        _ave(
            "AVE",
            {FULL: "avel", WEAK: "avel-weak"},
            *(68.6, None, 66.7, None),
            rule="argmax",
        ),
        _ave(
            "AVDSN",
            {FULL: "avsdn", WEAK: "avsdn-weak"},
            *(72.6, None, 67.3, None),
            source=RECONSTRUCTION,
            notes=(REBUILT,),
        ),
        _rebuilt(
            "DAM",
            {FULL: "dam"},
            *(74.5, None, None, None),
            notes=("its structure is described, its sizes are ours; it has no weak setting",),
        ),
        _rebuilt(
            "AVRB",
            {FULL: "avrb", WEAK: "avrb-weak"},
            *(74.8, None, 68.9, None),
            source="AVRB-like",
            rule="argmax",
            notes=("of its two blocks the names are known: the structure is a guess",),
        ),
        _rebuilt(
            "AVIN",
            {FULL: "avin", WEAK: "avin-weak"},
            *(75.2, None, 69.4, None),
            rule="argmax",
            notes=("its stages are described, its sizes and the weak pooling are ours",),
        ),
        _rebuilt(
            "CMAN",
            {FULL: "cman", WEAK: "cman-weak"},
            *(73.3, None, 70.4, None),
            rule="argmax",
            notes=(
                "its modules are described, its sizes and the weak pooling are ours; the printed "
                "numbers are a re-implementation by others (its own, 77.1 and 75.7, are of "
                "ResNet-152 features)",
            ),
        ),
        _rebuilt(
            "AVT",
            {FULL: "avt", WEAK: "avt-weak"},
            *(76.8, None, 70.2, None),
            source="AVT-like",
            rule="argmax",
            notes=("the abstract alone is known: the structure is a guess",),
        ),
        _rebuilt(
            "MPN",
            {FULL: "mpn", WEAK: "mpn-weak"},
            *(77.6, 62.1, 72.0, 53.8),
            notes=("that it has two sub-networks is known, what is inside them is ours",),
        ),
        _ave(
            "CMRAN",
            {FULL: "cmran", WEAK: "cmran-weak"},
            *(77.4, 62.3, 72.9, 54.2),
            notes=("its authors select on the test split; we select on the validation split",),
        ),
        _ave(
            "PSP",
            {FULL: "psp", WEAK: "psp-proportion"},
            *(77.8, 62.7, 73.5, 54.4),
            rule="argmax",
            notes=(
                "its weak labels tell the share of each clip that the event fills "
                "(proportion supervision), and its authors select on the test split; we select on "
                "the validation split",
            ),
        ),
        _ave("MM-Pyramid", {FULL: "ave", WEAK: "ave-weak"}, 77.8, 63.9, 73.2, 55.3),
    ),
    notes=(
        "subset: clips whose event is shorter than the clip (141 of 402 in the test split of AVE); "
        "we score the network of the full training set on them",
        "the paper speaks of 4,183 clips of 29 classes; the files hold 4,143 of 28, and background",
    ),
)

TABLE_2 = Table(
    key="2",
    title="Table 2",
    caption="F-scores on LLP, weakly supervised",
    recipe="llp",
    columns=F_SCORES,
    rows=(
        _heard("Kong et al.", "kong", 39.6, 29.1),
        _heard("TALNet", "talnet", 50.0, 41.7),
        _seen("STPN", "stpn", 46.5, 41.5),
        _seen("CMCS", "cmcs", 48.1, 45.1),
        _llp(
            "AVE",
            "avel-llp",
            *(47.2, 40.4, 37.1, 34.7, 35.4, 31.6, 39.9, 35.5, 41.6, 36.5),
            source=RECONSTRUCTION,
            notes=(REBUILT,),
        ),
        _llp(
            "AVDSN",
            "avsdn-llp",
            *(47.8, 34.1, 52.0, 46.3, 37.1, 26.5, 45.7, 35.6, 50.8, 37.7),
            source=RECONSTRUCTION,
            notes=(REBUILT,),
        ),
        _llp("HAN", "han", 60.1, 51.3, 52.9, 48.9, 48.9, 43.0, 54.0, 47.7, 55.4, 48.0),
        _llp("MM-Pyramid", "llp", *OURS),
        _llp(
            "HAN+MA",
            "han-ma",
            *(60.3, 53.6, 60.0, 56.4, 55.1, 49.0, 58.9, 53.0, 57.9, 50.6),
            refine=True,
            notes=("gated per modality, the rows without MA by the whole video",),
        ),
        _llp(
            "MM-Pyramid+MA",
            "llp-ma",
            *(61.1, 53.8, 60.3, 56.7, 55.8, 49.4, 59.7, 54.1, 59.1, 51.2),
            refine=True,
            notes=("gated per modality, the rows without MA by the whole video",),
        ),
    ),
)

TABLE_3 = Table(
    key="3",
    title="Table 3",
    caption="Ablations on LLP",
    recipe="llp",
    columns=F_SCORES,
    rows=(
        _llp(
            "MM-Pyramid-Last",
            "llp-last",
            *(59.6, 51.4, 53.6, 50.1, 49.2, 43.2, 54.1, 48.2, 56.4, 48.6),
        ),
        _llp(
            "MM-Unpyramid",
            "llp-unpyramid",
            *(59.7, 49.6, 53.3, 50.0, 47.7, 41.5, 53.6, 47.0, 57.4, 48.1),
        ),
        _llp(
            "Hybr-Trans w/ PE",
            "llp-hybrid-transformer",
            *(60.1, 51.9, 53.0, 50.1, 48.4, 43.7, 54.5, 47.6, 56.1, 48.5),
        ),
        _llp(
            "MM-Pyramid w/o conv",
            "llp-without-conv",
            *(60.0, 50.8, 52.4, 49.2, 47.9, 41.7, 53.1, 47.0, 56.4, 47.8),
        ),
        _llp(
            "MM-Pyramid w/o residual",
            "llp-without-residual",
            *(60.4, 51.5, 52.5, 49.5, 47.7, 41.8, 53.5, 47.6, 57.1, 48.7),
        ),
        _llp(
            "MM-Pyramid w/o ULA",
            "llp-without-ula",
            *(60.6, 52.1, 53.4, 49.8, 48.8, 43.6, 54.3, 48.5, 56.8, 49.2),
        ),
        _llp(
            "MM-Pyramid w/o SF",
            "llp-without-sf",
            *(60.5, 51.8, 53.6, 49.9, 48.7, 43.1, 54.3, 48.3, 56.9, 49.1),
        ),
        _llp("MM-Pyramid (full)", "llp", *OURS),
    ),
    notes=("the paper's gaps of 0.3 to 2 points come from single runs",),
)

TABLE_4 = Table(
    key="4",
    title="Table 4",
    caption="Sharing the cross-modal attention on LLP",
    recipe="llp",
    columns=F_SCORES[6:],
    rows=(
        _llp("Non-Sharing", "llp-non-sharing", 54.8, 50.1, 57.2, 50.0),
        _llp("Sharing (ours)", "llp", *OURS[6:]),
    ),
)

PRINTED = (TABLE_1, TABLE_2, TABLE_3, TABLE_4)
"""The paper's tables."""


COSTS = (
    Column(heading="Parameters (M)", path=("cost", "parameters"), once=True),
    Column(heading="MFLOPs", path=("cost", "flops"), once=True),
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
        _row("1 unit", "llp-units-1"),
        *(_row(f"{number} units", f"llp-units-{number}") for number in (2, 3, 5, 6)),
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
        "MFLOPs: of one video, forwards, a multiplication and an addition counted as two",
        "step: time of a training step in float32 on a CPU beside that of MM-Pyramid, the median "
        "of steps taken in turns",
    ),
    reference="mm-pyramid",
)


def _plugin(key: str, caption: str, *rows: tuple[str, str]) -> Table:
    columns = tuple(
        Column(heading=name.capitalize(), path=(FOUND, name)) for name in (*LENGTHS, PRECISION)
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

"""The four tables of the paper as printed (Yu et al., ACM MM 2022), and the recipes that run them.

A row of Table 1 has four numbers: all clips and the subset, fully then weakly supervised. A row of
Tables 2 and 3 has ten: segment and event level of Audio, Visual, AV, Type@AV and Event@AV in turn.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmpyramid.experiments.table import DEFAULT, RULE, Column, Row, Table

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
    for clips in ("all", "subset")
)
NO_CODE = "no code was released; the printed number stands alone"
REBUILT = "our reconstruction; the implementation that was scored is not public"
OURS = (60.9, 52.7, 54.4, 51.8, 50.0, 44.4, 55.1, 49.9, 57.6, 50.5)


def _ave(name: str, recipes: Mapping[str, str], *printed: float | None, **more: object) -> Row:
    return Row(name=name, recipes=recipes, printed=printed, **more)  # type: ignore[arg-type]


def _llp(name: str, recipe: str, *printed: float | None, **more: object) -> Row:
    return Row(name=name, recipes={DEFAULT: recipe}, printed=printed, **more)  # type: ignore[arg-type]


def _heard(name: str, recipe: str, segment: float, event: float) -> Row:
    """A system that listens only."""
    printed = (segment, event, *(None,) * 8)
    return _llp(name, recipe, *printed, only=("Audio Seg", "Audio Eve"), notes=(REBUILT,))


def _seen(name: str, recipe: str, segment: float, event: float) -> Row:
    """A system that looks only."""
    printed = (None, None, segment, event, *(None,) * 6)
    return _llp(name, recipe, *printed, only=("Visual Seg", "Visual Eve"), notes=(REBUILT,))


TABLE_1 = Table(
    number=1,
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
            notes=(REBUILT,),
        ),
        _ave("DAM", {}, 74.5, None, None, None, notes=(NO_CODE,)),
        _ave("AVRB", {}, 74.8, None, 68.9, None, notes=(NO_CODE,)),
        _ave("AVIN", {}, 75.2, None, 69.4, None, notes=(NO_CODE,)),
        _ave("CMAN", {}, 73.3, None, 70.4, None, notes=(NO_CODE,)),
        _ave("AVT", {}, 76.8, None, 70.2, None, notes=(NO_CODE,)),
        _ave("MPN", {}, 77.6, 62.1, 72.0, 53.8, notes=(NO_CODE,)),
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
    number=2,
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
            notes=(REBUILT,),
        ),
        _llp(
            "AVDSN",
            "avsdn-llp",
            *(47.8, 34.1, 52.0, 46.3, 37.1, 26.5, 45.7, 35.6, 50.8, 37.7),
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
    number=3,
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
    number=4,
    caption="Sharing the cross-modal attention on LLP",
    recipe="llp",
    columns=F_SCORES[6:],
    rows=(
        _llp("Non-Sharing", "llp-non-sharing", 54.8, 50.1, 57.2, 50.0),
        _llp("Sharing (ours)", "llp", *OURS[6:]),
    ),
)

TABLES = {table.number: table for table in (TABLE_1, TABLE_2, TABLE_3, TABLE_4)}
"""Number to table."""

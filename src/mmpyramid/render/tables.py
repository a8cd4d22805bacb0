"""Events, and weights of pyramid units, as tables for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from mmpyramid.render.lanes import unit_weights_of
from mmpyramid.types import Modality, Timeline

COLUMNS = ("label", "modality", "start", "end", "score")
WEIGHT_COLUMNS = ("modality", "unit", "second", "weight")


def to_csv(timeline: Timeline) -> str:
    """Write one row per event under a header row; times in seconds, rounded to six decimals.

    Example:
        >>> print(to_csv(Timeline()), end="")
        label,modality,start,end,score
    """
    rows = (
        (e.label, e.modality.value, _rounded(e.start), _rounded(e.end), _rounded(e.score))
        for e in timeline
    )
    return _table(COLUMNS, rows)


def unit_weights_to_csv(timeline: Timeline) -> str:
    """Write one row per modality, pyramid unit and second under a header row.

    Units count from 1, in the order of the network's windows; a second is named by its start.

    Raises:
        UserError: if the timeline has no unit weights.

    Example:
        >>> timeline = Timeline(duration=1.0, unit_weights=(((0.25,),), ((0.75,),)))
        >>> print(unit_weights_to_csv(timeline), end="")
        modality,unit,second,weight
        audio,1,0,0.25
        visual,1,0,0.75
    """
    weights_MLT = unit_weights_of(timeline)
    modalities = (Modality.AUDIO, Modality.VISUAL)
    rows = (
        (modality.value, unit, second, weight)
        for modality, units in zip(modalities, weights_MLT, strict=True)
        for unit, weights in enumerate(units, start=1)
        for second, weight in enumerate(weights)
    )
    return _table(WEIGHT_COLUMNS, rows)


def _rounded(number: float) -> float:
    return round(float(number), 6)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()

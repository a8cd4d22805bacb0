"""Weights of pyramid units as a table for spreadsheets and scripts."""

from __future__ import annotations

from mmpyramid.core import Modality, Timeline
from mmpyramid.formats.delimited import to_table
from mmpyramid.render.lanes import unit_weights_of

COLUMNS = ("modality", "unit", "second", "weight")


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
    return to_table(COLUMNS, rows)

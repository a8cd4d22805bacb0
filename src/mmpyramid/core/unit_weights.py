"""What selective fusion chose, as plain numbers that a timeline can carry.

Axes: M modalities (audio, visual), L pyramid units, T segments of one second.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeAlias

from mmpyramid.core.errors import UserError

NUM_MODALITIES = 2
DECIMALS = 4

UnitWeights: TypeAlias = tuple[tuple[tuple[float, ...], ...], ...]
"""(2, L, T): the weight of each pyramid unit in the audio, then in the visual features of each
segment, within 0..1. Empty where the scorer has no such units."""

Nested: TypeAlias = Iterable[Iterable[Iterable[float]]]


def to_unit_weights(weights_MLT: Nested) -> UnitWeights:
    """Keep weights of pyramid units as tuples of floats, rounded to four decimals.

    Source: the fusion weights of Eq. 10; a sigmoid gives each, so that they do not add up to 1.

    Args:
        weights_MLT: any nested sequences or array, (2, L, T); empty for none.

    Raises:
        UserError: if the lengths differ or a weight is outside 0..1.

    Example:
        >>> to_unit_weights([[[0.12345, 1]], [[0.5, 0]]])
        (((0.1235, 1.0),), ((0.5, 0.0),))
    """
    weights = tuple(
        tuple(tuple(round(float(weight), DECIMALS) for weight in unit) for unit in modality)
        for modality in weights_MLT
    )
    if not weights:
        return ()
    units = [len(modality) for modality in weights]
    segments = sorted({len(unit) for modality in weights for unit in modality})
    if len(units) != NUM_MODALITIES or len(set(units)) != 1 or len(segments) != 1:
        raise UserError(
            "expected unit weights of audio and visual, for the same units and segments in both; "
            f"got {len(units)} modalities with {units} units of {segments} segments"
        )
    if not all(0 <= weight <= 1 for modality in weights for unit in modality for weight in unit):
        raise UserError("expected unit weights within 0..1, got other numbers or NaN")
    return weights


def weights_json(weights: UnitWeights) -> str:
    """Write weights as JSON with one unit per line, so that those of an hour stay readable.

    Example:
        >>> print(weights_json((((0.1, 0.2),), ((0.3, 0.4),))))
        [
            [
              [0.1, 0.2]
            ],
            [
              [0.3, 0.4]
            ]
          ]
    """
    modalities = (",\n".join(f"      {json.dumps(unit)}" for unit in units) for units in weights)
    return "[\n" + ",\n".join(f"    [\n{units}\n    ]" for units in modalities) + "\n  ]"

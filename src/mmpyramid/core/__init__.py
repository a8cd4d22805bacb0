"""What is carried between the rooms: `Features`, `Scores`, `Event`, `Timeline`. No torch here."""

from mmpyramid.core.decoder import GATES, Decoder, Gate
from mmpyramid.core.scores import (
    AnyScores,
    Array,
    Features,
    LocalizationScores,
    Progress,
    Scores,
    check_unit_weights,
)
from mmpyramid.core.timeline import (
    TIMELINE_FORMAT,
    Event,
    Modality,
    Timeline,
    UnitWeights,
    to_unit_weights,
)

__all__ = [
    "GATES",
    "TIMELINE_FORMAT",
    "AnyScores",
    "Array",
    "Decoder",
    "Event",
    "Features",
    "Gate",
    "LocalizationScores",
    "Modality",
    "Progress",
    "Scores",
    "Timeline",
    "UnitWeights",
    "check_unit_weights",
    "to_unit_weights",
]

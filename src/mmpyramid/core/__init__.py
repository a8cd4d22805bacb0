"""What is carried between the rooms: `Features`, `Scores`, `Event`, `Timeline`. No torch here."""

from mmpyramid.core.scores import (
    GATES,
    AnyScores,
    Array,
    Decoder,
    DetectionScores,
    Features,
    Gate,
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
    "DetectionScores",
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

"""What is carried between the rooms: `Features`, `Scores`, `Event`, `Timeline`. No torch here."""

from mmpyramid.core.arrays import Array, Features, Progress
from mmpyramid.core.events import Event, Modality
from mmpyramid.core.scores import AnyScores, LocalizationScores, Scores, check_unit_weights
from mmpyramid.core.timeline import TIMELINE_FORMAT, Timeline
from mmpyramid.core.unit_weights import UnitWeights, to_unit_weights

__all__ = [
    "TIMELINE_FORMAT",
    "AnyScores",
    "Array",
    "Event",
    "Features",
    "LocalizationScores",
    "Modality",
    "Progress",
    "Scores",
    "Timeline",
    "UnitWeights",
    "check_unit_weights",
    "to_unit_weights",
]

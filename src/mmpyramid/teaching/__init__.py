"""Classes of one's own from corrected timelines: `teach`."""

from mmpyramid.teaching.learning import Result
from mmpyramid.teaching.teach import Taught, teach
from mmpyramid.teaching.validation import FScore, Measured

__all__ = ["FScore", "Measured", "Result", "Taught", "teach"]

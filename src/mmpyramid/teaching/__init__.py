"""Classes of one's own from corrected timelines: `teach`."""

from mmpyramid.teaching.classifier import FScore, Measured
from mmpyramid.teaching.learning import Result
from mmpyramid.teaching.teach import Taught, teach

__all__ = ["FScore", "Measured", "Result", "Taught", "teach"]

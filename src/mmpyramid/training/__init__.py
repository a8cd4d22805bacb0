"""Training: configurations, one Lightning module, one loop.

The loop is `mmpyramid.training.run.fit`; it needs Lightning, what is exported here does not.
"""

from mmpyramid.problems import Objective
from mmpyramid.problems.localization.losses import (
    DecomposedObjective,
    LocalizationObjective,
    PooledObjective,
)
from mmpyramid.problems.parsing.losses import GuidedObjective
from mmpyramid.training.config import TrainConfig

__all__ = [
    "DecomposedObjective",
    "GuidedObjective",
    "LocalizationObjective",
    "Objective",
    "PooledObjective",
    "TrainConfig",
]

"""Training: objectives, configurations, one Lightning module, one loop.

The loop is `mmpyramid.training.run.fit`; it needs Lightning, what is exported here does not.
"""

from mmpyramid.training.config import TrainConfig
from mmpyramid.training.objectives import (
    DecomposedObjective,
    GuidedObjective,
    LocalizationObjective,
    Objective,
    PooledObjective,
)

__all__ = [
    "DecomposedObjective",
    "GuidedObjective",
    "LocalizationObjective",
    "Objective",
    "PooledObjective",
    "TrainConfig",
]

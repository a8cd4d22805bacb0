"""Training: configurations, one Lightning module, one loop.

The loop is `mmpyramid.training.run.fit`; it needs Lightning, what is exported here does not. It is
imported when it is asked for, since help lists recipes without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmpyramid.problems import Objective

if TYPE_CHECKING:
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

_LAZY = {
    "DecomposedObjective": "mmpyramid.problems.localization.losses",
    "GuidedObjective": "mmpyramid.problems.parsing.losses",
    "LocalizationObjective": "mmpyramid.problems.localization.losses",
    "PooledObjective": "mmpyramid.problems.localization.losses",
    "TrainConfig": "mmpyramid.training.config",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)

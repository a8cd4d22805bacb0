"""Event localization on AVE, Section 5.1 of the paper.

The paper gives the optimizer only (Adam 2e-5, a tenth after 50 epochs); batch size and number of
epochs are ours. The weak loss has small gradients by construction.
"""

from mmpyramid.models.mm_pyramid_ave import MMPyramidAVEConfig
from mmpyramid.problems.localization.losses import DecomposedObjective, PooledObjective
from mmpyramid.training.config import Schedule, TrainConfig
from mmpyramid.training.recipes.llp import OPEN_AUDIO, OPEN_VISUAL


def ave() -> TrainConfig:
    """MM-Pyramid on the published AVE features, fully supervised."""
    return TrainConfig(
        model=MMPyramidAVEConfig(),
        objective=DecomposedObjective(),
        epochs=80,
        batch_size=32,
        learning_rate=2e-5,
        schedule=Schedule(factor=0.1, milestones=(50,)),
    )


def ave_weak() -> TrainConfig:
    """MM-Pyramid on AVE, weakly supervised: the category of each video and background clips."""
    config = ave()
    config.model = MMPyramidAVEConfig(head="fused")
    config.objective = PooledObjective()
    return config


def ave_proportion() -> TrainConfig:
    """MM-Pyramid on AVE, supervised by the share of each video that its event fills (PSP)."""
    config = ave_weak()
    config.objective = PooledObjective(supervision="proportion", pool="mean", loss="cross-entropy")
    return config


def ave_open() -> TrainConfig:
    """MM-Pyramid fully supervised on AVE with the open features of `mmpyramid extract`."""
    config = ave()
    config.model = MMPyramidAVEConfig(
        audio_streams=OPEN_AUDIO, visual_streams=OPEN_VISUAL, map_size=None
    )
    return config

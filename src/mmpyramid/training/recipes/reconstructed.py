"""The systems of Table 1 that are reconstructions: no code, and no training, was released for them.

Two ways of training serve all six, each that of their nearest relatives with code. A network that
scores classes and background in every segment (AVRB-like, AVIN, CMAN, AVT-like) learns with AVE's
optimizer and the cross-entropy of segments; weakly, of the mean over time, as AVE's text says. One
that decomposes the task (DAM, MPN) learns as CMRAN does.
"""

from dataclasses import replace

from mmpyramid.models.baselines import (
    AVINConfig,
    AVRBConfig,
    AVTConfig,
    CMANConfig,
    DAMConfig,
    MPNConfig,
)
from mmpyramid.models.localization import LocalizationConfig
from mmpyramid.problems.localization.losses import (
    DecomposedObjective,
    PooledObjective,
    SegmentObjective,
)
from mmpyramid.training.config import Schedule, TrainConfig


def _by_segment(model: LocalizationConfig) -> TrainConfig:
    return TrainConfig(
        model=model,
        objective=SegmentObjective(loss="cross-entropy"),
        epochs=100,
        batch_size=64,
        learning_rate=1e-3,
        schedule=Schedule(factor=0.5, milestones=(20, 40, 60)),
        clip_norm=1.0,
    )


def _pooled(config: TrainConfig) -> TrainConfig:
    objective = PooledObjective(pool="mean", loss="categorical")
    return replace(config, objective=objective)


def _decomposed(model: LocalizationConfig) -> TrainConfig:
    return TrainConfig(
        model=model,
        objective=DecomposedObjective(),
        epochs=60,
        batch_size=64,
        learning_rate=5e-4,
        schedule=Schedule(factor=0.5, milestones=(10, 20, 30)),
        clip_norm=0.5,
    )


def dam() -> TrainConfig:
    """DAM on AVE, fully supervised (reconstruction).

    The paper halves both terms of the loss. Adam does not see a factor, and clipping sees it in
    `clip_norm`, which is twice that of MPN.
    """
    return replace(_decomposed(DAMConfig()), clip_norm=1.0)


def avrb() -> TrainConfig:
    """AVRB-like network on AVE, fully supervised (reconstruction)."""
    return _by_segment(AVRBConfig())


def avrb_weak() -> TrainConfig:
    """AVRB-like network on AVE, weakly supervised (reconstruction)."""
    return _pooled(avrb())


def avin() -> TrainConfig:
    """AVIN on AVE, fully supervised (reconstruction)."""
    return _by_segment(AVINConfig())


def avin_weak() -> TrainConfig:
    """AVIN on AVE, weakly supervised (reconstruction)."""
    return _pooled(avin())


def cman() -> TrainConfig:
    """CMAN on AVE, fully supervised (reconstruction)."""
    return _by_segment(CMANConfig())


def cman_weak() -> TrainConfig:
    """CMAN on AVE, weakly supervised (reconstruction)."""
    return _pooled(cman())


def avt() -> TrainConfig:
    """AVT-like network on AVE, fully supervised (reconstruction); slower, as transformers ask."""
    return replace(_by_segment(AVTConfig()), learning_rate=3e-4)


def avt_weak() -> TrainConfig:
    """AVT-like network on AVE, weakly supervised (reconstruction)."""
    return _pooled(avt())


def mpn() -> TrainConfig:
    """MPN on AVE, fully supervised (reconstruction)."""
    return _decomposed(MPNConfig())


def mpn_weak() -> TrainConfig:
    """MPN on AVE, weakly supervised as CMRAN is (reconstruction)."""
    config = mpn()
    return replace(config, model=MPNConfig(head="fused"), objective=PooledObjective())

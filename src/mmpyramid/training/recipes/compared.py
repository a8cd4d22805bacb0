"""The compared systems of Tables 1 and 2, trained as their authors released it where they did.

Common departures: all select on the validation split (CMRAN and PSP released a selection on the
test split), the videos are shuffled in every epoch and the last batch is kept (AVEL shuffles never,
AVEL and PSP drop it), and CMRAN computes in float32 instead of float64. AVEL's released schedule is
stepped after 15,000 batches, of which an epoch has 52: epoch 288.
"""

from dataclasses import replace

from mmpyramid.models import HANConfig, ParsingConfig
from mmpyramid.models.baselines import (
    AVELConfig,
    AVELParserConfig,
    AVSDNConfig,
    AVSDNParserConfig,
    CMCSConfig,
    CMRANConfig,
    KongConfig,
    PSPConfig,
    STPNConfig,
    TALNetConfig,
)
from mmpyramid.models.pyramid_plugin import (
    CMRANPyramidConfig,
    HANPyramidConfig,
    PSPPyramidConfig,
)
from mmpyramid.problems import Objective
from mmpyramid.problems.localization.losses import (
    DecomposedObjective,
    PooledObjective,
    SegmentObjective,
)
from mmpyramid.problems.parsing.losses import (
    CompletenessObjective,
    GuidedObjective,
    SparseObjective,
    VideoObjective,
)
from mmpyramid.training.config import Schedule, TrainConfig
from mmpyramid.training.recipes.mm_pyramid import modality_aware


def cmran() -> TrainConfig:
    """CMRAN on AVE, fully supervised."""
    return TrainConfig(
        model=CMRANConfig(),
        objective=DecomposedObjective(),
        epochs=200,
        batch_size=32,
        learning_rate=5e-4,
        schedule=Schedule(factor=0.5, milestones=(10, 20, 30)),
        clip_norm=0.1,
        seed=456,
    )


def cmran_weak() -> TrainConfig:
    """CMRAN on AVE, weakly supervised: the category of each video and background clips."""
    config = cmran()
    config.model = CMRANConfig(head="fused", interaction_heads=2)
    config.objective = PooledObjective()
    config.schedule = Schedule(factor=0.5, milestones=(5, 20, 40))
    config.clip_norm, config.seed = 0.5, 666
    return config


def psp() -> TrainConfig:
    """PSP on AVE, fully supervised."""
    return TrainConfig(
        model=PSPConfig(),
        objective=SegmentObjective(loss="cross-entropy", similarity_weight=100.0),
        epochs=300,
        batch_size=128,
        learning_rate=1e-3,
        schedule=Schedule(factor=0.8, milestones=(60, 120)),
        seed=123,
    )


def psp_proportion() -> TrainConfig:
    """PSP on AVE, supervised by the share of each video that its event fills (its "weak")."""
    config = psp()
    config.model = PSPConfig(design="weak", threshold=0.095)
    config.objective = PooledObjective(supervision="proportion", pool="mean", loss="cross-entropy")
    config.schedule = Schedule(factor=0.8, milestones=(80, 160))
    return config


def avel() -> TrainConfig:
    """AVEL (A+V-att) on AVE, fully supervised."""
    return TrainConfig(
        model=AVELConfig(),
        objective=SegmentObjective(),
        epochs=300,
        batch_size=64,
        learning_rate=1e-3,
        schedule=Schedule(factor=0.1, milestones=(288,)),
    )


def avel_weak() -> TrainConfig:
    """AVEL on AVE, weakly supervised: the category of each video and background clips."""
    config = avel()
    config.objective = PooledObjective()
    config.epochs, config.schedule = 250, Schedule()
    return config


def dmrn() -> TrainConfig:
    """AVEL with the dual multimodal residual network (DMRN), fully supervised, from scratch."""
    config = avel()
    config.model = AVELConfig(fusion="residual")
    return config


def avsdn() -> TrainConfig:
    """AVSDN on AVE, fully supervised (reconstruction, trained as CPSP's authors did)."""
    return TrainConfig(
        model=AVSDNConfig(),
        objective=DecomposedObjective(),
        epochs=45,
        batch_size=64,
        learning_rate=1e-3,
        schedule=Schedule(factor=0.5, milestones=(10, 20, 30)),
        clip_norm=0.1,
        seed=123,
    )


def avsdn_weak() -> TrainConfig:
    """AVSDN on AVE, weakly supervised (reconstruction, trained as CPSP's authors did)."""
    config = avsdn()
    config.model = AVSDNConfig(head="fused")
    config.objective = PooledObjective()
    config.schedule = Schedule(factor=0.5, milestones=(5, 20, 40))
    return config


def han() -> TrainConfig:
    """HAN on the published LLP features, as its authors released the training."""
    config = TrainConfig(model=HANConfig(), objective=GuidedObjective())
    config.learning_rate = 3e-4
    return config


def han_ma() -> TrainConfig:
    """HAN with MA's contrastive loss and gates; `mmpyramid refine han-ma` is the whole strategy."""
    return modality_aware(han(), HANConfig(gate="per_modality"))


def _parsing(model: ParsingConfig, objective: Objective) -> TrainConfig:
    """What HAN's authors trained HAN with; how they trained these is not known."""
    return TrainConfig(model=model, objective=objective, learning_rate=3e-4)


def kong() -> TrainConfig:
    """Kong et al. on LLP, audio only (reconstruction)."""
    return _parsing(KongConfig(), VideoObjective())


def talnet() -> TrainConfig:
    """TALNet on LLP, audio only (reconstruction)."""
    return _parsing(TALNetConfig(), VideoObjective())


def stpn() -> TrainConfig:
    """STPN on LLP, visual only (reconstruction)."""
    return _parsing(STPNConfig(), SparseObjective())


def cmcs() -> TrainConfig:
    """CMCS on LLP, visual only (reconstruction)."""
    return _parsing(CMCSConfig(), CompletenessObjective())


def avel_llp() -> TrainConfig:
    """AVEL on LLP, with audio and visual branches (reconstruction)."""
    return _parsing(AVELParserConfig(), GuidedObjective(visual_smoothing=1.0))


def avsdn_llp() -> TrainConfig:
    """AVSDN on LLP, with audio and visual branches (reconstruction)."""
    return _parsing(AVSDNParserConfig(), GuidedObjective(visual_smoothing=1.0))


def han_pyramid() -> TrainConfig:
    """HAN behind MM-Pyramid's encoder."""
    return replace(han(), model=HANPyramidConfig())


def cmran_pyramid() -> TrainConfig:
    """CMRAN behind MM-Pyramid's encoder, fully supervised."""
    return replace(cmran(), model=CMRANPyramidConfig())


def psp_pyramid() -> TrainConfig:
    """PSP behind MM-Pyramid's encoder, fully supervised."""
    return replace(psp(), model=PSPPyramidConfig())

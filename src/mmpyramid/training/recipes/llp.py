"""Weakly supervised audio-visual video parsing (LLP), Section 5.2 of the paper, with its ablations.

Each ablation of Tables 3 and 4 is a variant of `llp` in one named part.
"""

from mmpyramid.models import HANConfig, MMPyramidConfig, ParsingConfig
from mmpyramid.models.hybrid_transformer import HybridTransformerConfig
from mmpyramid.models.mm_pyramid import PyramidConfig
from mmpyramid.problems.parsing.losses import GuidedObjective
from mmpyramid.training.config import TrainConfig

OPEN_AUDIO, OPEN_VISUAL = {"yamnet": 1024}, {"efficientnet_lite0": 1280}
"""The streams of `mmpyramid extract --set open`."""


def llp() -> TrainConfig:
    """MM-Pyramid on the published LLP features, as its authors released the training."""
    return TrainConfig(model=MMPyramidConfig(), objective=GuidedObjective())


def llp_open() -> TrainConfig:
    """The same network and training on the open features of `mmpyramid extract`."""
    config = llp()
    config.model = MMPyramidConfig(audio_streams=OPEN_AUDIO, visual_streams=OPEN_VISUAL)
    return config


def compact() -> TrainConfig:
    """A quarter of the width on open features: minutes on a laptop, for small corpora.

    With a few hundred videos validation peaks early and falls again, and few videos choose the
    peak: a small learning rate makes it broader, averaged weights make the choice less of a toss.
    """
    config = llp_open()
    config.model.width = 128
    config.epochs = 12
    config.learning_rate = 1e-4
    config.ema_decay = 0.97
    return config


def folder() -> TrainConfig:
    """Own videos and classes: `compact` on a folder of features and annotations."""
    return compact()


def han() -> TrainConfig:
    """HAN on the published LLP features, as its authors released the training."""
    config = TrainConfig(model=HANConfig(), objective=GuidedObjective())
    config.learning_rate = 3e-4
    return config


def _modality_aware(config: TrainConfig, model: ParsingConfig) -> TrainConfig:
    """MA's changes to a recipe: contrastive term, 12 epochs, the last one kept, its own gates."""
    config.model, config.objective = model, GuidedObjective(contrast=1.0)
    config.epochs, config.keep = 12, "last"
    return config


def han_ma() -> TrainConfig:
    """HAN with MA's contrastive loss and gates; `mmpyramid refine han-ma` is the whole strategy."""
    return _modality_aware(han(), HANConfig(gate="per_modality"))


def llp_ma() -> TrainConfig:
    """MM-Pyramid with MA's contrastive loss and gates; `mmpyramid refine llp-ma` is all of MA."""
    return _modality_aware(llp(), MMPyramidConfig(gate="per_modality"))


def _with_pyramid(pyramid: PyramidConfig) -> TrainConfig:
    config = llp()
    config.model = MMPyramidConfig(pyramid=pyramid)
    return config


def last() -> TrainConfig:
    """MM-Pyramid-Last: only the output of the last unit reaches the head."""
    return _with_pyramid(PyramidConfig(fusion="last"))


def unpyramid() -> TrainConfig:
    """MM-Unpyramid: all units have the size of the last one."""
    return _with_pyramid(PyramidConfig(windows=(8, 8, 8, 8)))


def hybrid_transformer() -> TrainConfig:
    """Hybr-Trans w/ PE: a 4-layer hybrid transformer with positional encoding."""
    return TrainConfig(model=HybridTransformerConfig(), objective=GuidedObjective())


def without_conv() -> TrainConfig:
    """MM-Pyramid w/o conv: the dilated block is removed."""
    return _with_pyramid(PyramidConfig(block="none"))


def without_residual() -> TrainConfig:
    """MM-Pyramid w/o residual: the dilated block is a single convolution."""
    return _with_pyramid(PyramidConfig(block="convolution"))


def without_ula() -> TrainConfig:
    """MM-Pyramid w/o ULA: no attention between units before they are fused."""
    return _with_pyramid(PyramidConfig(fusion="selective"))


def without_sf() -> TrainConfig:
    """MM-Pyramid w/o SF: the mean of the units in place of selective fusion."""
    return _with_pyramid(PyramidConfig(fusion="average"))


def non_sharing() -> TrainConfig:
    """Non-Sharing (Table 4): one cross-modal layer for each direction."""
    return _with_pyramid(PyramidConfig(share_cross_attention=False))

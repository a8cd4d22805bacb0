"""The ablations of Tables 3 and 4: each a variant of `llp` in one named part."""

from mmpyramid.models import MMPyramidConfig
from mmpyramid.models.hybrid_transformer import HybridTransformerConfig
from mmpyramid.models.mm_pyramid import PyramidConfig
from mmpyramid.problems.parsing.losses import GuidedObjective
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes.llp import llp


def _with(pyramid: PyramidConfig) -> TrainConfig:
    config = llp()
    config.model = MMPyramidConfig(pyramid=pyramid)
    return config


def last() -> TrainConfig:
    """MM-Pyramid-Last: only the output of the last unit reaches the head."""
    return _with(PyramidConfig(fusion="last"))


def unpyramid() -> TrainConfig:
    """MM-Unpyramid: all units have the size of the last one."""
    return _with(PyramidConfig(windows=(8, 8, 8, 8)))


def hybrid_transformer() -> TrainConfig:
    """Hybr-Trans w/ PE: a 4-layer hybrid transformer with positional encoding."""
    return TrainConfig(model=HybridTransformerConfig(), objective=GuidedObjective())


def without_conv() -> TrainConfig:
    """MM-Pyramid w/o conv: the dilated block is removed."""
    return _with(PyramidConfig(block="none"))


def without_residual() -> TrainConfig:
    """MM-Pyramid w/o residual: the dilated block is a single convolution."""
    return _with(PyramidConfig(block="convolution"))


def without_ula() -> TrainConfig:
    """MM-Pyramid w/o ULA: no attention between units before they are fused."""
    return _with(PyramidConfig(fusion="selective"))


def without_sf() -> TrainConfig:
    """MM-Pyramid w/o SF: the mean of the units in place of selective fusion."""
    return _with(PyramidConfig(fusion="average"))


def non_sharing() -> TrainConfig:
    """Non-Sharing (Table 4): one cross-modal layer for each direction."""
    return _with(PyramidConfig(share_cross_attention=False))

"""Weakly supervised audio-visual video parsing (LLP), Section 5.2 of the paper."""

from mmpyramid.models import MMPyramidConfig
from mmpyramid.training.config import TrainConfig


def llp() -> TrainConfig:
    """MM-Pyramid on the published LLP features, as its authors released the training."""
    return TrainConfig()


def llp_open() -> TrainConfig:
    """The same network and training on the open features of `mmpyramid extract`."""
    config = llp()
    config.model = MMPyramidConfig(
        audio_streams={"yamnet": 1024}, visual_streams={"efficientnet_lite0": 1280}
    )
    return config


def compact() -> TrainConfig:
    """A quarter of the width on open features: minutes on a laptop, for small corpora."""
    config = llp_open()
    config.model.width = 128
    config.epochs = 30
    config.learning_rate = 1e-3
    return config

"""The networks: from batches of features to probabilities."""

from mmpyramid.models import (  # noqa: F401 - importing registers
    baselines,
    detector,
    hybrid_transformer,
    pyramid_plugin,
)
from mmpyramid.models.checkpoint import load_pretrained, save_pretrained
from mmpyramid.models.han import HAN, HANConfig
from mmpyramid.models.localization import LocalizationConfig, LocalizationNetwork
from mmpyramid.models.mm_pyramid import MMPyramid, MMPyramidConfig, PyramidConfig
from mmpyramid.models.mm_pyramid_ave import MMPyramidAVE, MMPyramidAVEConfig
from mmpyramid.models.network import (
    Encoded,
    Localized,
    Network,
    NetworkConfig,
    Pooled,
    StreamProjection,
)
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork
from mmpyramid.models.registry import ARCHITECTURES, create_model, register
from mmpyramid.models.segment_classifier import SegmentClassifier, SegmentClassifierConfig

__all__ = [
    "ARCHITECTURES",
    "HAN",
    "Encoded",
    "HANConfig",
    "LocalizationConfig",
    "LocalizationNetwork",
    "Localized",
    "MMPyramid",
    "MMPyramidAVE",
    "MMPyramidAVEConfig",
    "MMPyramidConfig",
    "Network",
    "NetworkConfig",
    "ParsingConfig",
    "ParsingNetwork",
    "Pooled",
    "PyramidConfig",
    "SegmentClassifier",
    "SegmentClassifierConfig",
    "StreamProjection",
    "create_model",
    "load_pretrained",
    "register",
    "save_pretrained",
]

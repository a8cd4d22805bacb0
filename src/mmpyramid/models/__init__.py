"""Room 4: from batches to probabilities."""

from mmpyramid.models.checkpoint import load_pretrained, save_pretrained
from mmpyramid.models.encoder import PyramidConfig
from mmpyramid.models.han import HAN, HANConfig
from mmpyramid.models.mm_pyramid import MMPyramid, MMPyramidConfig
from mmpyramid.models.network import Network, NetworkConfig
from mmpyramid.models.parsing import ParsingConfig, ParsingNetwork
from mmpyramid.models.registry import ARCHITECTURES, create_model, register

__all__ = [
    "ARCHITECTURES",
    "HAN",
    "HANConfig",
    "MMPyramid",
    "MMPyramidConfig",
    "Network",
    "NetworkConfig",
    "ParsingConfig",
    "ParsingNetwork",
    "PyramidConfig",
    "create_model",
    "load_pretrained",
    "register",
    "save_pretrained",
]

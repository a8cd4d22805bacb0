"""Room 4: from batches to probabilities."""

from mmpyramid.models.base import ParsingNetwork
from mmpyramid.models.checkpoint import ARCHITECTURES, load_pretrained, save_pretrained
from mmpyramid.models.mm_pyramid import MMPyramid, MMPyramidConfig

__all__ = [
    "ARCHITECTURES",
    "MMPyramid",
    "MMPyramidConfig",
    "ParsingNetwork",
    "load_pretrained",
    "save_pretrained",
]

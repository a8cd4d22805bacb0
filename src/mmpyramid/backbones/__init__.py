"""Backbones: a frozen network from sound or picture to features, one file each."""

from mmpyramid.backbones.base import Extractor, Precision, SimpleExtractor
from mmpyramid.backbones.registry import (
    BACKBONES,
    FEATURE_SETS,
    BackboneOptions,
    create_extractor,
    create_extractors,
    register,
)

__all__ = [
    "BACKBONES",
    "FEATURE_SETS",
    "BackboneOptions",
    "Extractor",
    "Precision",
    "SimpleExtractor",
    "create_extractor",
    "create_extractors",
    "register",
]

"""Official checkpoints to ours: read the file, rename its tensors, say what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor

from mmpyramid.models.convert.localization import convert_avel, convert_cmran, convert_psp
from mmpyramid.models.convert.official import read_official
from mmpyramid.models.convert.parsing import convert_han, convert_mm_pyramid, mm_pyramid_names
from mmpyramid.models.network import NetworkConfig

__all__ = [
    "CONVERTERS",
    "convert_avel",
    "convert_cmran",
    "convert_han",
    "convert_mm_pyramid",
    "convert_psp",
    "mm_pyramid_names",
    "read_official",
]

Converter: TypeAlias = Callable[[Mapping[str, Tensor]], tuple[NetworkConfig, dict[str, Tensor]]]

CONVERTERS: dict[str, Converter] = {
    "mm-pyramid": convert_mm_pyramid,
    "han": convert_han,
    "cmran": convert_cmran,
    "psp": convert_psp,
    "avel": convert_avel,
}
"""Architecture to converter: from an official state dict to a config and the weights for it."""

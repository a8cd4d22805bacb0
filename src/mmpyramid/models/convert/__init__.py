"""Official checkpoints to ours: read the file, rename its tensors, say what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor

from mmpyramid.models.convert.han import convert_han
from mmpyramid.models.convert.mm_pyramid import convert_mm_pyramid, tensor_names
from mmpyramid.models.convert.official import read_official
from mmpyramid.models.parsing import ParsingConfig

__all__ = ["CONVERTERS", "convert_han", "convert_mm_pyramid", "read_official", "tensor_names"]

Converter: TypeAlias = Callable[[Mapping[str, Tensor]], tuple[ParsingConfig, dict[str, Tensor]]]

CONVERTERS: dict[str, Converter] = {"mm-pyramid": convert_mm_pyramid, "han": convert_han}
"""Architecture to converter: from an official state dict to a config and the weights for it."""

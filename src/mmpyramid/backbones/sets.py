"""The extractors by name, and the sets of them that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.precision import Precision
from mmpyramid.core.errors import UserError

if TYPE_CHECKING:
    from mmpyramid.backbones.pretrained import Weights

EXTRACTORS: dict[str, tuple[str, str]] = {
    "yamnet": ("yamnet", "YAMNetExtractor"),
    "efficientnet_lite0": ("efficientnet", "EfficientNetLite0Extractor"),
    "vggish": ("vggish", "VGGishExtractor"),
    "vggish_pca": ("vggish", "QuantizedVGGishExtractor"),
    "resnet152": ("resnet", "ResNet152Extractor"),
    "r2plus1d_18": ("r2plus1d", "R2Plus1D18Extractor"),
    "vgg19": ("vgg19", "VGG19Extractor"),
    "vgg19_torchvision": ("vgg19", "TorchvisionVGG19Extractor"),
}
"""Module and class by stream name; a module is imported when its extractor is made."""

OPEN = ("yamnet", "efficientnet_lite0")
"""Streams whose weights come from the Python package index, and from nowhere else."""

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "open": OPEN,
    "llp": ("vggish", "resnet152", "r2plus1d_18"),
    "ave": ("vggish", "vgg19"),
}
"""Stream names by set: `open` needs no model hub, the others are as published."""


@dataclass(frozen=True, kw_only=True)
class BackboneOptions:
    """How backbones are made; the open ones take the device only, and compute in float32.

    Attributes:
        device: where to run, as PyTorch names it.
        sampling: how files are cut into segments: `seconds` or `published`.
        precision: the number format to compute in.
        weights: files to take weights from instead of the hub, by stream.
        random_weights: whether to do without pretrained weights: for dry runs.
    """

    device: str = "cpu"
    sampling: str = "seconds"
    precision: Precision = Precision.AUTO
    weights: Mapping[str, Path] = field(default_factory=dict)
    random_weights: bool = False

    def __post_init__(self) -> None:
        if self.random_weights and self.weights:
            raise UserError(
                f"expected random weights or files with weights, got both: "
                f"{', '.join(self.weights)}"
            )


def create_extractor(name: str, options: BackboneOptions | None = None) -> Extractor:
    """Make the extractor of one stream, downloading its weights if need be.

    Raises:
        UserError: if the name is unknown or the weights cannot be had.

    Example:
        >>> create_extractor("yamnet").dim  # doctest: +SKIP
        1024
    """
    if name not in EXTRACTORS:
        raise UserError(f"unknown extractor {name!r}; there are {', '.join(sorted(EXTRACTORS))}")
    from mmpyramid.media.sampling import Sampling

    options = options or BackboneOptions()
    module, attribute = EXTRACTORS[name]
    make = getattr(import_module(f"mmpyramid.backbones.{module}"), attribute)
    extractor: Extractor
    if name in OPEN:
        extractor = make(device=options.device)
    else:
        extractor = make(
            device=options.device,
            sampling=Sampling(options.sampling),
            precision=options.precision,
            weights=_weights(options, name),
        )
    return extractor


def create_extractors(
    set_or_names: str | Sequence[str],
    options: BackboneOptions | None = None,
) -> tuple[Extractor, ...]:
    """Make the extractors of a set (`"open"`, `"llp"`, `"ave"`) or of several streams.

    Args:
        set_or_names: the name of a set, or names of streams.
        options: how to make them.

    Raises:
        UserError: if a name is unknown or weights cannot be had.

    Example:
        >>> [extractor.name for extractor in create_extractors("open")]  # doctest: +SKIP
        ['yamnet', 'efficientnet_lite0']
    """
    options = options or BackboneOptions()
    names = stream_names(set_or_names)
    unpublished = [name for name in names if name in OPEN]
    if options.sampling == "published" and unpublished:
        raise UserError(
            f"there is no published sampling for {', '.join(unpublished)}: no script was released "
            "with features of that kind; sample by seconds, or leave them out"
        )
    useless = [name for name in options.weights if name not in names or name in OPEN]
    if useless:
        takers = ", ".join(name for name in names if name not in OPEN) or "none of the streams"
        raise UserError(
            f"expected weights for {takers}, got some for {', '.join(useless)}; leave them out"
        )
    return tuple(create_extractor(name, options) for name in names)


def stream_names(set_or_names: str | Sequence[str]) -> tuple[str, ...]:
    """The streams of a set, or those that are named, without repetition.

    Raises:
        UserError: if the set is unknown.
    """
    if not isinstance(set_or_names, str):
        return tuple(dict.fromkeys(set_or_names))
    if set_or_names not in FEATURE_SETS:
        known = ", ".join(sorted(FEATURE_SETS))
        raise UserError(f"unknown feature set {set_or_names!r}; there are {known}")
    return FEATURE_SETS[set_or_names]


def _weights(options: BackboneOptions, name: str) -> Weights | None:
    from mmpyramid.backbones.pretrained import RandomWeights

    return RandomWeights() if options.random_weights else options.weights.get(name)

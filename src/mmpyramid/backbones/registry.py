"""The backbones by name, those of the user among them, and the sets that belong together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from mmpyramid.backbones.base import Extractor, Precision
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError, missing_package

Constructor: TypeAlias = Callable[..., Extractor]
"""Makes an extractor; takes any of `device`, `sampling`, `precision` and `weights` by keyword."""

ConstructorT = TypeVar("ConstructorT", bound=Constructor)


@dataclass(frozen=True)
class Entry:
    """One backbone of the registry.

    Attributes:
        modality: what it listens to or looks at.
        constructor: what makes it, or `module:class` of this room, imported when it is made.
        package: what that module needs and not everybody installs.
    """

    modality: Modality
    constructor: Constructor | str
    package: str | None = None

    def load(self) -> Constructor:
        """The constructor, after an import if need be.

        Raises:
            ModuleNotFoundError: if the package is not installed.
        """
        if not isinstance(self.constructor, str):
            return self.constructor
        module, _, attribute = self.constructor.partition(":")
        if self.package and find_spec(self.package) is None:
            # By itself the module would first miss PyTorch, which the package brings along.
            raise missing_package(self.package, EXTRAS[self.package], f"`{attribute}`")
        found: Constructor = getattr(import_module(f"mmpyramid.backbones.{module}"), attribute)
        return found


EXTRAS = {"torch": "torch", "torchvision": "published", "transformers": "text"}
"""By package, the extra that brings it."""

AUDIO, VISUAL = Modality.AUDIO, Modality.VISUAL

BACKBONES: dict[str, Entry] = {
    "yamnet": Entry(AUDIO, "yamnet:YAMNetExtractor"),
    "efficientnet_lite0": Entry(VISUAL, "efficientnet:EfficientNetLite0Extractor"),
    "faces": Entry(VISUAL, "faces:FaceExtractor"),
    "vggish": Entry(AUDIO, "vggish:VGGishExtractor", "torch"),
    "vggish_pca": Entry(AUDIO, "vggish:QuantizedVGGishExtractor", "torch"),
    "resnet152": Entry(VISUAL, "resnet:ResNet152Extractor", "torchvision"),
    "r2plus1d_18": Entry(VISUAL, "r2plus1d:R2Plus1D18Extractor", "torchvision"),
    "vgg19": Entry(VISUAL, "vgg19:VGG19Extractor", "torchvision"),
    "vgg19_torchvision": Entry(VISUAL, "vgg19:TorchvisionVGG19Extractor", "torchvision"),
    "clap": Entry(AUDIO, "clap:CLAPExtractor", "transformers"),
    "clip": Entry(VISUAL, "clip:CLIPExtractor", "transformers"),
}
"""By the name of the stream."""

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "open": ("yamnet", "efficientnet_lite0"),
    "llp": ("vggish", "resnet152", "r2plus1d_18"),
    "ave": ("vggish", "vgg19"),
    "text": ("clap", "clip"),
}
"""Stream names by set: `open` needs no model hub, `llp` and `ave` are as published, and those of
`text` can be compared with words."""


def register(extractor: ConstructorT) -> ConstructorT:
    """Make a backbone known by the name of its stream; a decorator of its class.

    The command line (`extract --streams`), `Pipeline` and networks that read the stream find it
    then. Worker processes import the file of `--code` again, and so does each machine of a cluster.

    Args:
        extractor: a class as `Extractor` describes, with `name` and `modality` as attributes of the
            class. Its constructor takes any of `device`, `sampling`, `precision` and `weights`, by
            keyword.

    Raises:
        UserError: if the attributes are not there, or the name has been taken by another.

    Example:
        >>> from mmpyramid.backbones import SimpleExtractor
        >>> class Loudness(SimpleExtractor):
        ...     name, modality, dim = "loudness", "audio", 1
        ...     def embed(self, segments):
        ...         return np.sqrt((segments**2).mean(1, keepdims=True))
        >>> register(Loudness).name
        'loudness'
        >>> del BACKBONES["loudness"]
    """
    name, modality = getattr(extractor, "name", None), getattr(extractor, "modality", None)
    if not isinstance(name, str) or modality not in (AUDIO, VISUAL):
        raise UserError(
            "expected a backbone whose class has a `name`, and a `modality` that is `audio` or "
            f"`visual`, got {extractor!r} with {name!r} and {modality!r}"
        )
    known = BACKBONES.get(name)
    if known and _identity(known.constructor) != _identity(extractor):
        raise UserError(f"expected a name that no other backbone has, got {name!r}; choose another")
    BACKBONES[name] = Entry(Modality(modality), extractor)
    return extractor


def _identity(constructor: Constructor | str) -> object:
    """Equal for a class and the same one after its file was imported again."""
    if isinstance(constructor, str):
        return constructor
    return getattr(constructor, "__module__", None), getattr(constructor, "__qualname__", None)


@dataclass(frozen=True, kw_only=True)
class BackboneOptions:
    """How backbones are made; each takes those options that its constructor has.

    The open ones take the device only, and compute in float32.

    Attributes:
        device: where to run, as PyTorch names it.
        sampling: how files are cut into segments: `seconds` or `published`.
        precision: the number format to compute in.
        weights: files to take weights from instead of the hub, by stream; for `clap` and `clip`
            folders or other hub ids.
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

    def resolved(self, set_or_names: str | Sequence[str]) -> BackboneOptions:
        """With the number format that `auto` means here, so that it is the same elsewhere.

        Args:
            set_or_names: which backbones are made; the open ones have one format only.

        Raises:
            UserError: if a name is unknown.
        """
        names = stream_names(set_or_names)
        _check_packages(names)
        makers = (BACKBONES[name].load() for name in names)
        if not any("precision" in inspect.signature(make).parameters for make in makers):
            return self
        return replace(self, precision=self.precision.resolve(self.device))


def create_extractor(name: str, options: BackboneOptions | None = None) -> Extractor:
    """Make the extractor of one stream, downloading its weights if need be.

    Raises:
        UserError: if the name is unknown or the weights cannot be loaded.

    Example:
        >>> create_extractor("yamnet").dim  # doctest: +SKIP
        1024
    """
    return create_extractors([name], options)[0]


def create_extractors(
    set_or_names: str | Sequence[str],
    options: BackboneOptions | None = None,
) -> tuple[Extractor, ...]:
    """Make the extractors of a set (`"open"`, `"llp"`, `"ave"`, `"text"`) or of several streams.

    Args:
        set_or_names: the name of a set, or names of streams.
        options: how to make them.

    Raises:
        UserError: if a name is unknown, weights cannot be loaded, or an option does not fit.

    Example:
        >>> [extractor.name for extractor in create_extractors("open")]  # doctest: +SKIP
        ['yamnet', 'efficientnet_lite0']
    """
    from mmpyramid.backbones.weights import RandomWeights
    from mmpyramid.media.sampling import Sampling

    options = options or BackboneOptions()
    names = stream_names(set_or_names)
    _check_packages(names)
    constructors = {name: BACKBONES[name].load() for name in names}
    taken = {name: inspect.signature(make).parameters for name, make in constructors.items()}
    _check_options(options, taken)
    made = []
    for name, make in constructors.items():
        weights = RandomWeights() if options.random_weights else options.weights.get(name)
        values: dict[str, Any] = {
            "device": options.device,
            "sampling": Sampling(options.sampling),
            "precision": options.precision,
            "weights": weights,
        }
        made.append(make(**{key: value for key, value in values.items() if key in taken[name]}))
    return tuple(made)


def _check_packages(names: Sequence[str]) -> None:
    """Name the one extra that brings all that these streams need, before a part of it is missed."""
    needed = {BACKBONES[name].package for name in names}
    for package in reversed(EXTRAS):
        if package in needed and find_spec(package) is None:
            raise missing_package(package, EXTRAS[package], f"`{', '.join(names)}`")


def _check_options(options: BackboneOptions, taken: Mapping[str, Mapping[str, object]]) -> None:
    """Check that no option would be ignored.

    Args:
        options: those of the user.
        taken: the parameters of the constructors, by stream.
    """
    unpublished = [name for name, parameters in taken.items() if "sampling" not in parameters]
    if options.sampling == "published" and unpublished:
        raise UserError(
            f"there is no published sampling for {', '.join(unpublished)}: no script was released "
            "with features of that kind; sample by seconds, or leave them out"
        )
    takers = [name for name, parameters in taken.items() if "weights" in parameters]
    useless = [name for name in options.weights if name not in takers]
    if useless:
        raise UserError(
            f"expected weights for {', '.join(takers) or 'none of the streams'}, got some for "
            f"{', '.join(useless)}; leave them out"
        )
    if options.random_weights and not takers:
        raise UserError(
            f"expected backbones that can do without their weights, got {', '.join(taken)}, whose "
            "weights are part of this program; leave out random weights"
        )
    has_formats = any("precision" in parameters for parameters in taken.values())
    if options.precision is Precision.BFLOAT16 and not has_formats:
        raise UserError(
            f"expected a number format that {', '.join(taken)} compute in, float32, got "
            f"{options.precision.value}; leave it out"
        )


def stream_names(set_or_names: str | Sequence[str]) -> tuple[str, ...]:
    """The streams of a set, or those that are named, without repetition.

    Raises:
        UserError: if the set or a stream is unknown.
    """
    if isinstance(set_or_names, str):
        if set_or_names not in FEATURE_SETS:
            known = ", ".join(sorted(FEATURE_SETS))
            raise UserError(f"unknown feature set {set_or_names!r}; there are {known}")
        return FEATURE_SETS[set_or_names]
    names = tuple(dict.fromkeys(set_or_names))
    if not names:
        raise UserError("expected one or more extractors, such as yamnet, got none")
    for name in names:
        if name not in BACKBONES:
            raise UserError(
                f"unknown extractor {name!r}; there are {', '.join(sorted(BACKBONES))}; one of "
                "your own is known once its file has been imported (`mmpyramid --code FILE.py "
                "COMMAND ...`)"
            )
    return names

"""Which networks exist: name to class. A network of your own joins them by `register`."""

from __future__ import annotations

from typing import Any

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.models.baselines import BASELINES
from mmpyramid.models.han import HAN
from mmpyramid.models.hybrid_transformer import HybridTransformer
from mmpyramid.models.mm_pyramid import MMPyramid
from mmpyramid.models.mm_pyramid_ave import MMPyramidAVE
from mmpyramid.models.network import Network, NetworkConfig
from mmpyramid.models.pyramid_plugin import CMRANPyramid, HANPyramid, PSPPyramid
from mmpyramid.models.segment_classifier import SegmentClassifier

_OWN: tuple[type[Network[Any, Any]], ...] = (
    *(MMPyramid, HAN, HybridTransformer, MMPyramidAVE),
    *(HANPyramid, CMRANPyramid, PSPPyramid),
    SegmentClassifier,
)
ARCHITECTURES: dict[str, type[Network[Any, Any]]] = {
    network.config_class.architecture: network for network in _OWN + BASELINES
}
"""Name to class of every network that a checkpoint can hold."""


def register(network: type[Network[Any, Any]]) -> type[Network[Any, Any]]:
    """Make a network known under its architecture's name; usable as a decorator.

    Raises:
        UserError: if another network has the name.
    """
    name = network.config_class.architecture
    known = ARCHITECTURES.setdefault(name, network)
    if (known.__module__, known.__qualname__) != (network.__module__, network.__qualname__):
        raise UserError(f"there already is a network `{name}`; give yours another name")
    ARCHITECTURES[name] = network
    return network


def create_model(config: NetworkConfig) -> Network[Any, Any]:
    """Make the network that a configuration describes, with fresh weights.

    Raises:
        UserError: if its architecture is not known.
    """
    return architecture(config.architecture)(config)


def architecture(name: str) -> type[Network[Any, Any]]:
    """The class of a network by name.

    Raises:
        UserError: if there is none; the known ones are listed.
    """
    if name not in ARCHITECTURES:
        raise UserError(
            f"there is no network `{shorten(name)}`; known are {', '.join(ARCHITECTURES)}. One of "
            "your own is known once its file has been imported (`mmpyramid --code FILE.py ...`)"
        )
    return ARCHITECTURES[name]

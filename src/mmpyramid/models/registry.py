"""Which networks exist: name to class. Each joins them by `register` in its own file."""

from __future__ import annotations

from typing import Any, TypeVar

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.models.network import Network, NetworkConfig

ARCHITECTURES: dict[str, type[Network[Any, Any]]] = {}
"""Name to class of every network that a checkpoint can hold."""

N = TypeVar("N", bound=Network[Any, Any])


def register(network: type[N]) -> type[N]:
    """Make a network known under its architecture's name; usable as a decorator.

    Raises:
        UserError: if another network has the name.

    Example:
        >>> from mmpyramid.models import HAN
        >>> register(HAN) is HAN
        True
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

    Example:
        >>> from mmpyramid.models import HANConfig
        >>> type(create_model(HANConfig(width=16))).__name__
        'HAN'
    """
    return architecture(config.architecture)(config)


def architecture(name: str) -> type[Network[Any, Any]]:
    """The class of a network by name.

    Raises:
        UserError: if there is none; the known ones are listed.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(
            f"there is no network `{shorten(name)}`; known are {known}. One of your own is known "
            "once its file has been imported (`mmpyramid --code FILE.py ...`)"
        )
    return ARCHITECTURES[name]

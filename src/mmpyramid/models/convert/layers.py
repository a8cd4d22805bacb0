"""Released names of tensors from the released names of the layers that hold them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from mmpyramid.models.network import NetworkConfig
from mmpyramid.models.registry import create_model


def names_by_layer(config: NetworkConfig, layers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Released name to ours for every tensor of a network.

    Args:
        config: describes our network.
        layers: released name to ours of modules whose tensors have the same names in both.

    Returns:
        What `official.rename` takes.
    """
    with torch.device("meta"):
        tensors = create_model(config).state_dict()
    found: dict[str, tuple[str, ...]] = {
        name.replace(ours, theirs, 1): (name,)
        for theirs, ours in layers.items()
        for name in tensors
        if name.startswith(f"{ours}.")
    }
    assert len(found) == len(tensors), tensors.keys() - {
        name for names in found.values() for name in names
    }
    return found

"""Weights of published backbones: a file from a hub, one of the user's own, or none at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import h5py
import torch
from torch import Tensor, nn

from mmpyramid.backbones.weights import NOTHING_LEARNED, Url, digest, fetch
from mmpyramid.core.errors import UserError


@dataclass(frozen=True)
class RandomWeights:
    """No pretrained weights: for dry runs and for measuring speed. Always the same ones.

    Attributes:
        seed: where the random numbers begin.
    """

    seed: int = 0


Weights: TypeAlias = Url | Path | RandomWeights
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def make_network(
    make: Callable[[], NetworkT], load: Callable[[NetworkT, Path], None], weights: Weights
) -> tuple[NetworkT, str]:
    """Make a network with weights.

    Args:
        make: makes one with random weights.
        load: fills it from a file.
        weights: where to take them from.

    Returns:
        The network, and the SHA-256 of the file, or `NOTHING_LEARNED`.

    Raises:
        UserError: if the file cannot be had, or does not fit.
    """
    if isinstance(weights, RandomWeights):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights.seed)
            return make(), NOTHING_LEARNED
    path = fetch(weights) if isinstance(weights, Url) else weights
    network = make()
    load(network, path)
    return network, digest(path)


def keep_variance(network: nn.Module) -> None:
    """Begin with random weights through which ReLU layers keep the size of what they pass on.

    Source: He et al., "Delving deep into rectifiers" (2015).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a PyTorch checkpoint without executing anything in it.

    Raises:
        UserError: if the file is not there or is no such checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # What it is depends on the bytes, which are taken for a pickle.
        why = f"{type(error).__name__}: {error}"
        raise UserError(_unreadable(path, "a PyTorch checkpoint", why)) from error
    if not isinstance(state, Mapping):
        raise UserError(_unreadable(path, "a PyTorch checkpoint", f"it is a {type(state)}"))
    return dict(state)


def read_keras(path: Path) -> dict[str, Tensor]:
    """Read the convolutions of a Keras weights file as `<layer>.weight` (O, I, H, W) and `.bias`.

    Raises:
        UserError: if the file is not there or is no such file.
    """
    state: dict[str, Tensor] = {}

    def keep(name: str, data: object) -> None:
        if isinstance(data, h5py.Dataset) and data.ndim in (1, 4):
            tensor = torch.from_numpy(data[...])
            key = "weight" if data.ndim == 4 else "bias"
            layer = name.split("/")[-2]
            state[f"{layer}.{key}"] = tensor.permute(3, 2, 0, 1) if data.ndim == 4 else tensor

    try:
        with h5py.File(str(path), "r") as file:
            file.visititems(keep)
    except OSError as error:
        raise UserError(_unreadable(path, "a Keras weights file (.h5)", error)) from error
    return state


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Fill a network with exactly the tensors that it has.

    Raises:
        UserError: if names or shapes differ.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"expected the weights of {type(network).__name__} in {path}, but they do not fit: "
            f"{' '.join(str(error).split())[:300]}"
        ) from error


def _unreadable(path: Path, expected: str, why: object) -> str:
    return f"expected {expected} at {path}, but reading it failed: {why}; check the path"

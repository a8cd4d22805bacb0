"""HDF5 files that hold one dataset each, whatever its key: the way AVE is distributed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmpyramid.errors import UserError


@contextmanager
def only_dataset(path: Path) -> Iterator[h5py.Dataset]:
    """Open the one dataset of a file for reading.

    Args:
        path: the file.

    Yields:
        The dataset; it can be read while the context lasts.

    Raises:
        UserError: if the file is missing, is no HDF5 file, or holds another number of datasets.

    Example:
        >>> with only_dataset(Path("audio_feature.h5")) as dataset:  # doctest: +SKIP
        ...     dataset.shape
        (4143, 10, 128)
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise UserError(f"expected the file {path}, but it does not exist") from error
    except OSError as error:
        raise UserError(
            f"expected an HDF5 file, but {path} cannot be read as one ({error}); it may be a "
            "download that was cut short, fetch it again"
        ) from error
    with file:
        found = [value for value in file.values() if isinstance(value, h5py.Dataset)]
        if len(found) != 1:
            raise UserError(
                f"expected one dataset in {path}, got {len(found)} "
                f"({', '.join(file.keys()) or 'an empty file'})"
            )
        yield found[0]


def read_dataset(path: Path) -> NDArray[Any]:
    """Read the one dataset of a small file whole.

    Raises:
        UserError: as `only_dataset`, or if its values cannot be read.
    """
    with only_dataset(path) as dataset:
        try:
            return np.asarray(dataset[()])
        except OSError as error:
            raise UserError(f"the values in {path} cannot be read ({error})") from error

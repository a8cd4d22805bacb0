"""HDF5 files that hold one dataset each, whatever its key: the way AVE is distributed.

Shape letters: N rows of the file, B rows of a batch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import disk_full_as_user_error, open_regular
from mmpyramid.core.text import shorten

if TYPE_CHECKING:
    import h5py

logger = logging.getLogger(__name__)

LARGEST_CHUNK = 64 * 2**20
"""Bytes that share one checksum."""

LARGEST_WHOLE = 2 * 2**30
"""Bytes of values that are read at once: orders and labels, no features."""


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
    import h5py  # Takes a while to load, as in all of this file.

    try:
        open_regular(path).close()
        file = h5py.File(str(path), "r")
    except FileNotFoundError as error:
        raise UserError(f"expected the file {path}, but it does not exist") from error
    except Exception as error:
        raise _damaged(path, error) from error
    with file:
        try:
            found = [value for value in file.values() if isinstance(value, h5py.Dataset)]
            names = ", ".join(file.keys())
        # The HDF5 library reports damage by nearly every kind of exception.
        except Exception as error:
            raise _damaged(path, error) from error
        if len(found) != 1:
            raise UserError(
                f"expected one dataset in {path}, got {len(found)} "
                f"({shorten(names) or 'an empty file'})"
            )
        yield found[0]


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"expected an HDF5 file, but {path} cannot be read as one ({shorten(str(error), 200)}); it "
        "may be a download that was cut short, fetch it again"
    )


def read_dataset(path: Path) -> NDArray[Any]:
    """Read the one dataset of a small file whole.

    Raises:
        UserError: as `only_dataset`, or if its values cannot be read.
    """
    with only_dataset(path) as dataset:
        try:
            if dataset.size * dataset.dtype.itemsize > LARGEST_WHOLE:
                raise ValueError(f"{dataset.shape} of {dataset.dtype} is larger than expected")
            return np.asarray(dataset[()])
        except Exception as error:
            raise UserError(f"the values in {path} cannot be read ({error})") from error


def read_through(path: Path) -> None:
    """Read all rows of the one dataset of a file, whose checksums the HDF5 library compares.

    Raises:
        UserError: as `only_dataset`, or if a row cannot be read.
    """
    with only_dataset(path) as dataset:
        for row in range(len(dataset)):
            try:
                dataset[row]
            except Exception as error:
                raise UserError(f"row {row} of {path} cannot be read ({error})") from error


def write_rows(
    path: Path,
    key: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    rows: Iterable[NDArray[Any]],
    *,
    checked: bool = False,
) -> None:
    """Write a dataset row by row, whatever its size, into a file that appears whole.

    A run that is killed leaves `<name>.part` behind, which the next one overwrites.

    Args:
        path: the file; one that exists is replaced.
        key: name of the dataset.
        shape: (N, ...).
        dtype: of the stored values.
        rows: N arrays of one row each.
        checked: whether each row has a checksum (Fletcher-32), which the HDF5 library compares; it
            reads such rows itself, while others are contiguous and can be mapped.

    Raises:
        UserError: if the disk is full; nothing is left behind.
    """
    aside = path.with_name(f"{path.name}.part")
    try:
        with disk_full_as_user_error(path):
            with _new_file(aside) as file:
                chunks = _chunks(shape, np.dtype(dtype)) if checked else None
                dataset = file.create_dataset(
                    key, shape, dtype, chunks=chunks, fletcher32=checked or None
                )
                for place, row in zip(range(shape[0]), rows, strict=True):
                    dataset[place] = row
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _chunks(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """One row, or as much of a large one as is read well at once."""
    segment = max(1, prod(shape[2:]) * dtype.itemsize)
    return (1, min(shape[1], max(1, LARGEST_CHUNK // segment)), *shape[2:])


@contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    import h5py

    file = h5py.File(str(path), "w")
    try:
        yield file
    except BaseException:
        # HDF5 cannot close a file that the disk has no room for; the first error tells more.
        with suppress(RuntimeError):
            file.close()
        raise
    file.close()


@dataclass(frozen=True, kw_only=True)
class RowFile:
    """The dataset of one HDF5 file, of which a few rows are read at a time.

    A contiguous dataset is mapped into memory for each batch, so nothing stays in memory. Datasets
    that are chunked or compressed are read through HDF5: slower, and a warning says so where a
    chunk has more than one row.

    Attributes:
        path: the file.
        shape: (N, ...).
        dtype: of the stored values.
        offset: where the values start in the file; None if they are not contiguous.
        key: name of the dataset, needed where they are not.
        check: called with the path before rows are read; raises a `UserError` if it is damaged.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None
    key: str = ""
    check: Callable[[Path], object] | None = None

    @classmethod
    def of(cls, path: Path, dataset: h5py.Dataset) -> RowFile:
        """Describe a dataset of an open file."""
        return cls(
            path=path,
            shape=dataset.shape,
            dtype=dataset.dtype,
            offset=dataset.id.get_offset(),  # type: ignore[attr-defined]
            key=str(dataset.name),
        )

    @classmethod
    def open(cls, path: Path) -> RowFile:
        """Read the description of a file, not its values.

        Raises:
            UserError: if the file is missing or damaged, or does not hold one dataset of floats.
        """
        with only_dataset(path) as dataset:
            if dataset.dtype.kind != "f":
                raise UserError(f"expected features as floats, but {path} holds {dataset.dtype}")
            file = cls.of(path, dataset)
            by_rows = (dataset.chunks or (0,))[0] == 1
        if file.offset is None and not by_rows:
            logger.warning(
                "%s is chunked or compressed and will be read row by row, which is slow; "
                "`h5repack -l CONTI -f NONE OLD NEW` makes a file that can be mapped",
                path,
            )
        return file

    def fill(self, values: Array, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Copy rows of the file to places of an array, in the order of the file.

        Args:
            values: (B, ...) float32.
            places: indices into `values`.
            rows: as many rows of the file.

        Raises:
            UserError: if a row holds NaN or values that are infinite in float32.
        """
        with self.opened() as stored:
            for turn in np.argsort(rows):
                values[places[turn]] = stored[rows[turn]]
                # The sum is finite if all are, and costs less than asking each.
                if not np.isfinite(values[places[turn]].sum()):
                    raise UserError(
                        f"expected finite features, but row {rows[turn]} of {self.path} has NaN or "
                        "infinite values; fetch the file again"
                    )

    @contextmanager
    def opened(self) -> Iterator[NDArray[Any] | h5py.Dataset]:
        """The rows, to be read while the context lasts.

        Raises:
            UserError: if the file is damaged.
        """
        if self.check is not None:
            self.check(self.path)
        try:
            if self.offset is None:
                import h5py

                with h5py.File(str(self.path), "r", locking=False) as file:
                    yield file[self.key]
            else:
                shape, offset = self.shape, self.offset
                mapped = np.memmap(self.path, self.dtype, mode="r", offset=offset, shape=shape)
                yield mapped.view(np.ndarray)
        except FileNotFoundError:
            raise  # It may have been moved.
        except (OSError, RuntimeError, KeyError) as error:
            raise _damaged(self.path, error) from error

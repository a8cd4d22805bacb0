"""Pickled tensors without PyTorch, and without running what else a pickle may name.

`torch.save` wrote a file as pickles, one behind the other, until PyTorch 1.6: a magic number, a
version, the byte order, the object, and the keys of its storages; then each storage, its length in
eight bytes and its numbers. A tensor in any other pickle has such a file as its storage.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError

STORAGES = {"torch.FloatStorage": "<f4", "torch.LongStorage": "<i8"}
"""What is read, with NumPy's names of the numbers."""
LENGTH = 8
"""Bytes that say how many numbers a storage has."""


def read_tensors(content: bytes) -> Any:
    """What `torch.save` wrote in the format of PyTorch before 1.6, with arrays for tensors.

    Args:
        content: of the file.

    Raises:
        UserError: if it holds anything but tensors of float32 and int64 in lists, tuples and
            dictionaries, or is damaged.
    """
    return _read(_file, content)


def read_pickle(content: bytes) -> Any:
    """What a pickle holds, with arrays for tensors.

    Raises:
        UserError: as `read_tensors`.
    """
    return _read(lambda content: _Reader(io.BytesIO(content)).load(), content)


def _read(reader: Callable[[bytes], Any], content: bytes) -> Any:
    try:
        return reader(content)
    except Exception as error:  # A pickle raises whatever its parts do.
        raise UserError(
            f"expected a pickle of tensors, got another or a damaged one ({error})"
        ) from error


def _file(content: bytes) -> Any:
    file = io.BytesIO(content)
    for _ in ("magic number", "version", "byte order"):
        _Reader(file).load()
    reader = _Reader(file)
    found = reader.load()
    for key in _Reader(file).load():
        storage = reader.storages[key]
        length = int.from_bytes(file.read(LENGTH), "little")
        storage[:] = np.frombuffer(file.read(length * storage.itemsize), storage.dtype)
    return found


class _Reader(pickle.Unpickler):
    """Reads tensors, whose numbers come later."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._left = len(file.getbuffer())
        self.storages: dict[str, NDArray[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch.storage._load_from_bytes": _file,
            **STORAGES,
        }
        if full not in known:
            raise pickle.UnpicklingError(f"it names {full}")
        return known[full]

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        _, kind, key, _, length, *_ = pid
        if key not in self.storages:
            kind = np.dtype(kind)
            self._left -= length * kind.itemsize
            if length < 0 or self._left < 0:
                raise pickle.UnpicklingError(f"it is shorter than its {length} numbers")
            self.storages[key] = np.zeros(length, kind)
        return self.storages[key]


def _tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """A view of a storage."""
    steps = [(extent - 1) * step for extent, step in zip(size, stride, strict=True)]
    if min((offset, *size, *stride)) < 0 or (0 not in size and offset + sum(steps) >= len(storage)):
        raise pickle.UnpicklingError(f"it has no {size} numbers from {offset} on")
    strides = [step * storage.itemsize for step in stride]
    return as_strided(storage[offset:], size, strides)

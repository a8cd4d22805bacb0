"""The labels that MA's authors removed, as they were published: `need_to_change.pkl`.

The file is a pickle of two lists, visual and audio, of one list for each class: tensors without
dimensions, each the row in `AVVP_train.csv` of a video that the class was removed from. Where it
comes from: GenjiB/CM-Co-Occurrence-AVVP, for MA (Wu & Yang, CVPR 2021). No code in the file is run:
what it may name is listed here, and stands for functions of this file.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import read_bytes, shorten

PICKLE = b"\x80"
"""What pickles begin with, and no text."""
LARGEST = 2**26
"""Bytes; the published file has 2 MB."""
SIDES = ("visual", "audio")
"""In the order of the file."""


def read_removals(path: Path, weak_NC: Array) -> Array:
    """The labels that are left in each modality, (N, 2, C).

    Args:
        path: the file.
        weak_NC: the weak labels of the training videos, in the order of `AVVP_train.csv`.

    Raises:
        UserError: if the file is another pickle, or removes what no video has.
    """
    try:
        sides = _Removals(io.BytesIO(read_bytes(path))).load()
        rows = [[[int(row) for row in rows] for rows in side] for side in sides]
    except Exception as error:  # A pickle raises whatever its parts do.
        raise UserError(
            f"expected lists of rows in {path}, as the labels that MA removes are published; got "
            f"another pickle ({shorten(str(error))})"
        ) from error
    if [len(side) for side in rows] != [weak_NC.shape[1]] * len(SIDES):
        raise UserError(
            f"expected {len(SIDES)} x {weak_NC.shape[1]} lists of rows in {path}, for each "
            f"modality and class; got {' and '.join(str(len(side)) for side in rows)} lists"
        )
    modality_NMC = np.stack((weak_NC, weak_NC), axis=1).astype(np.float32)
    for index, (name, classes) in enumerate(zip(SIDES, rows, strict=True)):
        for column, removed in enumerate(classes):
            wrong = [n for n in removed if not 0 <= n < len(weak_NC) or not weak_NC[n, column]]
            if wrong:
                raise UserError(
                    f"{path} removes {name} labels of class {column} that videos do not have, such "
                    f"as in row {wrong[0]}; it is for the training split of LLP as it was published"
                )
            modality_NMC[removed, 1 - index, column] = 0
    return modality_NMC


class _Removals(pickle.Unpickler):
    """Reads integers that PyTorch wrote as tensors."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "torch._utils._rebuild_tensor_v2": _element,
            "torch.storage._load_from_bytes": _storage,
            "collections.OrderedDict": OrderedDict,
        }
        return _allowed(known, f"{module}.{name}")


class _Storage(pickle.Unpickler):
    """Reads one pickle of those that a storage of integers is written as."""

    def find_class(self, module: str, name: str) -> Any:
        return _allowed({"torch.LongStorage": None}, f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def _allowed(known: dict[str, Any], name: str) -> Any:
    if name not in known:
        raise pickle.UnpicklingError(f"it names {name}")
    return known[name]


def _storage(content: bytes) -> NDArray[np.int64]:
    file = io.BytesIO(content)
    for _ in ("magic number", "version", "byte order", "storage", "keys"):
        _Storage(file).load()
    size = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(), "<i8", size)


def _element(storage: NDArray[np.int64], offset: int, size: tuple[int, ...], *rest: Any) -> int:
    del rest
    if size != ():
        raise pickle.UnpicklingError(f"it holds a tensor of shape {size}")
    return int(storage[offset])

"""Constants of TensorFlow Lite files, read without TensorFlow.

A file is a FlatBuffer: tables that refer to each other by offsets. A table begins with the distance
to its layout, which tells where in the table each field lies, by number; what has its default value
is left out. The numbers of the fields here are those of TensorFlow Lite's schema, version 3.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError

IDENTIFIER = b"TFL3"
SUBGRAPHS, BUFFERS = 2, 4
"""Fields of a model."""
TENSORS = 0
"""Field of a subgraph."""
SHAPE, KIND, BUFFER, NAME = 0, 1, 2, 3
"""Fields of a tensor."""
DATA = 0
"""Field of a buffer."""
KINDS: dict[int, str] = {0: "<f4", 1: "<f2"}
"""NumPy's names of the kinds of tensors that are read."""


def read_constants(content: bytes) -> dict[str, Array]:
    """The floating-point constants of a model by name, as float32.

    Args:
        content: the file.

    Raises:
        UserError: if it is no such file.
    """
    if content[4:8] != IDENTIFIER:
        raise UserError("expected a TensorFlow Lite model (a FlatBuffer `TFL3`)")
    try:
        model = _Table.at(content, 0)
        buffers = model.tables(BUFFERS)
        return {
            tensor.text(NAME): _constant(tensor, data)
            for tensor in model.tables(SUBGRAPHS)[0].tables(TENSORS)
            if len(data := buffers[tensor.integer(BUFFER, "<I")].vector(DATA, "u1"))
            and tensor.integer(KIND, "<b") in KINDS
        }
    except (struct.error, IndexError, ValueError) as error:
        raise UserError(f"the TensorFlow Lite model is damaged: {error}") from error


def _constant(tensor: _Table, data: NDArray[Any]) -> Array:
    values = data.view(KINDS[tensor.integer(KIND, "<b")])
    return values.astype(np.float32).reshape(tensor.vector(SHAPE, "<i4"))


class _Table:
    """One table.

    Args:
        content: the file.
        position: where the table begins.
    """

    def __init__(self, content: bytes, position: int) -> None:
        self._content, self._position = content, position
        self._layout = position - self._unpack("<i", position)
        self._size = self._unpack("<H", self._layout)

    @classmethod
    def at(cls, content: bytes, reference: int) -> _Table:
        """The table that the offset at `reference` refers to."""
        (offset,) = struct.unpack_from("<I", content, reference)
        return cls(content, reference + offset)

    def integer(self, field: int, code: str) -> int:
        """A number, by the code that `struct` has for its kind."""
        place = self._place(field)
        return self._unpack(code, place) if place else 0

    def vector(self, field: int, kind: str) -> NDArray[Any]:
        """Numbers, by the name that NumPy has for their kind."""
        place = self._place(field)
        if not place:
            return np.zeros(0, kind)
        start = place + self._unpack("<I", place)
        return np.frombuffer(self._content, kind, self._unpack("<I", start), start + 4)

    def text(self, field: int) -> str:
        """A string."""
        return self.vector(field, "u1").tobytes().decode()

    def tables(self, field: int) -> list[_Table]:
        """The tables of a vector."""
        place = self._place(field)
        if not place:
            return []
        start = place + self._unpack("<I", place)
        count = self._unpack("<I", start)
        return [_Table.at(self._content, start + 4 + 4 * number) for number in range(count)]

    def _place(self, field: int) -> int:
        """Where a field lies; 0 if it has been left out."""
        entry = 4 + 2 * field
        offset = self._unpack("<H", self._layout + entry) if entry < self._size else 0
        return self._position + offset if offset else 0

    def _unpack(self, code: str, position: int) -> int:
        (number,) = struct.unpack_from(code, self._content, position)
        assert isinstance(number, int)
        return number

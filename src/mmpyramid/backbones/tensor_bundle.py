"""Read the variables of a TensorFlow checkpoint with NumPy alone.

A checkpoint ("tensor bundle") is two files. `*.data-00000-of-00001` is the raw little-endian
values, end to end. `*.index` says where each variable lies: a LevelDB table (sorted blocks of
prefix-compressed keys; a footer points to the index block, which points to the data blocks) whose
values are `BundleEntryProto` messages: dtype = 1, shape = 2 { dim = 2 { size = 1 } }, shard = 3,
offset = 4, size = 5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError

FOOTER_SIZE = 48
MAGIC = 0xDB4775248B80FB57
DT_FLOAT = 1


def read_tensor_bundle(index: bytes, data: bytes) -> dict[str, Array]:
    """All float32 variables of a checkpoint with one data file.

    Args:
        index: content of the `.index` file.
        data: content of the `.data-00000-of-00001` file.

    Returns:
        The arrays by variable name; entries of other types are left out. They are read-only views
        of `data`.

    Raises:
        UserError: if the two are not such a checkpoint.
    """
    if len(index) < FOOTER_SIZE or struct.unpack("<Q", index[-8:])[0] != MAGIC:
        raise UserError("expected the index of a TensorFlow checkpoint (a LevelDB table)")
    _, position = _block_handle(index, len(index) - FOOTER_SIZE)
    index_block, _ = _block_handle(index, position)
    arrays = {}
    for _, handle in _entries(index, index_block):
        block, _ = _block_handle(handle, 0)
        for key, message in _entries(index, block):
            if key and (entry := _fields(message)).get(1) == [DT_FLOAT]:
                arrays[key.decode()] = _array(entry, data)
    return arrays


def _array(entry: dict[int, list[int | bytes]], data: bytes) -> Array:
    dims = [dim for message in entry.get(2, []) for dim in _fields(message).get(2, [])]
    shape = [_number(_fields(dim), 1) for dim in dims]
    offset, size = _number(entry, 4), _number(entry, 5)
    if _number(entry, 3) != 0 or size != 4 * int(np.prod(shape)) or offset + size > len(data):
        raise UserError("the checkpoint's index and data do not belong together")
    return np.frombuffer(data, "<f4", size // 4, offset).reshape(shape)


def _entries(table: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block, whose restart array at the end is not needed to read it all."""
    offset, size = handle
    if table[offset + size] != 0:
        raise UserError("expected an uncompressed checkpoint index, as TensorFlow writes it")
    (num_restarts,) = struct.unpack_from("<I", table, offset + size - 4)
    position, end, key = offset, offset + size - 4 - 4 * num_restarts, b""
    while position < end:
        shared, position = _varint(table, position)
        unshared, position = _varint(table, position)
        length, position = _varint(table, position)
        key = key[:shared] + table[position : position + unshared]
        position += unshared
        yield key, table[position : position + length]
        position += length


def _fields(message: int | bytes) -> dict[int, list[int | bytes]]:
    """A protocol buffer message as lists of values by field number."""
    assert isinstance(message, bytes)
    fields: dict[int, list[int | bytes]] = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value: int | bytes
        if tag & 7 == 0:
            value, position = _varint(message, position)
        else:
            length = 4
            if tag & 7 == 2:
                length, position = _varint(message, position)
            value, position = message[position : position + length], position + length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: dict[int, list[int | bytes]], field: int) -> int:
    """An integer field; protocol buffers leave out zeros."""
    value = fields.get(field, [0])[0]
    assert isinstance(value, int)
    return value


def _block_handle(buffer: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = _varint(buffer, position)
    size, position = _varint(buffer, position)
    return (offset, size), position


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    """An integer in base 128, least significant digit first, and where the next thing starts."""
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position

"""Reading TensorFlow checkpoints, against a small writer of the format."""

import struct

import numpy as np
import pytest

from mmpyramid.backbones.yamnet import MAGIC, read_tensor_bundle
from mmpyramid.core.errors import UserError


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(shape, offset, size, *, dtype=1, shard=0):
    dims = b"".join(field(2, field(1, dim)) for dim in shape)
    crc = varint(6 << 3 | 5) + b"\x01\x02\x03\x04"
    head = field(1, dtype) + field(2, dims) + field(3, shard)
    return head + field(4, offset) + field(5, size) + crc


def block(pairs):
    out, previous = b"", b""
    for key, value in pairs:
        shared = 0
        while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
            shared += 1
        rest = key[shared:]
        out += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        previous = key
    return out + struct.pack("<II", 0, 1)


def table(*blocks, compression=0):
    """A LevelDB table of data blocks: `[[(key, value), ...], ...]`."""
    out, handles = b"", []
    for pairs in blocks:
        content = block(pairs)
        handles.append((pairs[-1][0], varint(len(out)) + varint(len(content))))
        out += content + bytes([compression]) + b"crc!"
    meta = varint(len(out)) + varint(len(block([])))
    out += block([]) + b"\0crc!"
    index = varint(len(out)) + varint(len(block(handles)))
    out += block(handles) + b"\0crc!"
    return out + (meta + index).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def test_variables_come_back_by_name_and_shape():
    kernel = np.arange(600, dtype="<f4").reshape(3, 200)
    bias = np.array([1.5, -2.0], "<f4")
    scalar = np.array(7.0, "<f4")
    data = kernel.tobytes() + b"not ours" + bias.tobytes() + scalar.tobytes()
    index = table(
        [
            (b"", b"\x08\x01"),
            (b"layer-1/bias", entry((2,), 2408, 8)),
            (b"layer-1/kernel", entry((3, 200), 0, 2400)),
        ],
        [
            (b"layer-1/object_graph", entry((), 2400, 8, dtype=7)),
            (b"layer-2/count", entry((), 2416, 4)),
        ],
    )
    variables = read_tensor_bundle(index, data)
    assert sorted(variables) == ["layer-1/bias", "layer-1/kernel", "layer-2/count"]
    np.testing.assert_array_equal(variables["layer-1/kernel"], kernel)
    np.testing.assert_array_equal(variables["layer-1/bias"], bias)
    assert variables["layer-2/count"].shape == ()
    assert variables["layer-2/count"] == scalar


@pytest.mark.parametrize("index", [b"", b"short", b"\0" * 100])
def test_another_file_is_refused(index):
    with pytest.raises(UserError, match="expected the index of a TensorFlow checkpoint"):
        read_tensor_bundle(index, b"")


def test_a_compressed_index_is_refused():
    index = table([(b"kernel", entry((1,), 0, 4))], compression=1)
    with pytest.raises(UserError, match="uncompressed"):
        read_tensor_bundle(index, b"\0" * 4)


@pytest.mark.parametrize(
    "message", [entry((2,), 0, 8), entry((1,), 0, 8), entry((1,), 0, 4, shard=1)]
)
def test_an_index_that_does_not_fit_its_data_is_refused(message):
    with pytest.raises(UserError, match="do not belong together"):
        read_tensor_bundle(table([(b"kernel", message)]), b"\0" * 4)

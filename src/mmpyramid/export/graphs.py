"""What can be written as ONNX: networks of either task, and open backbones.

Shape letters: B batch, T segments, N segments of any videos, C classes, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmpyramid.backbones.backbone import Backbone
from mmpyramid.backbones.registry import create_extractors
from mmpyramid.models import Network, load_pretrained

BACKBONES = ("yamnet", "efficientnet_lite0")


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What can be written as ONNX.

    Attributes:
        module: takes the inputs in their order, gives the outputs in theirs.
        example: tensors by name of the input.
        free: by name of the input its axes that may have any size, with their names.
        outputs: names of the outputs.
    """

    module: nn.Module
    example: Mapping[str, Tensor]
    free: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]


class _Plain(nn.Module):
    """A network with plain tensors in and out."""

    def __init__(self, network: Network[Any, Any]) -> None:
        super().__init__()
        self.network = network

    def named(self, mask: Tensor, present: Tensor, *streams: Tensor) -> dict[str, Tensor]:
        by_name = dict(zip(self.network.streams, streams, strict=True))
        return self.network.tensors(self.network(by_name, mask, present), mask)

    def forward(self, mask: Tensor, present: Tensor, *streams: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.named(mask, present, *streams).values())


class _Embedding(nn.Module):
    """A backbone: its embedding and the probabilities of its own classes."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        embedding_ND = self.backbone.embed(segments)
        return embedding_ND, self.backbone.classify(embedding_ND)


def network_graph(network: Network[Any, Any]) -> Graph:
    """A network: `mask` (B, T), `present` (B, 2) and its streams (B, T, ..., D), any B and T.

    Parsing networks give `audio` and `visual` (B, T, C), and pooled over all of T `video` and, of
    each stream for the gate `per_modality`, `video_audio` and `video_visual` (B, C); localization
    networks give `relevance` (B, T) and `category` (B, C). Attention is dense, so that cost grows
    with the square of T: cut long videos.
    """
    shapes = {name: (*_map_size(network, name), width) for name, width in network.streams.items()}
    streams = {name: torch.randn(2, 12, *shape) for name, shape in shapes.items()}
    masks = {"mask": torch.ones(2, 12).bool(), "present": torch.ones(2, 2).bool()}
    time = {0: "batch", 1: "segments"}
    module, example = _Plain(network).eval(), {**masks, **streams}
    with torch.no_grad():
        outputs = tuple(module.named(*example.values()))
    return Graph(
        module=module,
        example=example,
        free={"mask": time, "present": {0: "batch"}, **dict.fromkeys(streams, time)},
        outputs=outputs,
    )


def _map_size(network: Network[Any, Any], stream: str) -> tuple[int, ...]:
    """Height and width of a stream that has positions, as networks that attend to them call it."""
    size: tuple[int, int] | None = getattr(network.config, "map_size", None)
    return size if size and stream in network.inputs.visual else ()


def backbone_graph(name: str) -> Graph:
    """An open backbone: `segments` (N, ...) as its extractor takes them, any N.

    It gives `embedding` (N, D) and `probability` (N, K) of the classes of its pretraining.

    Raises:
        UserError: if its weights cannot be had.
    """
    (extractor,) = create_extractors([name])
    if extractor.frames_per_segment:
        frame = (*extractor.frame_size[::-1], 3)
        shape = (2, extractor.frames_per_segment, *frame)
        segments = torch.randint(0, 256, shape, dtype=torch.uint8)
    else:
        segments = 0.1 * torch.randn(2, 16_000)
    return Graph(
        module=_Embedding(extractor.network).eval(),  # type: ignore[attr-defined]
        example={"segments": segments},
        free={"segments": {0: "segments"}},
        outputs=("embedding", "probability"),
    )


def open_graph(model: str | Path) -> Graph:
    """The graph of a checkpoint folder, a hub id, or a backbone by name.

    Raises:
        UserError: if there is none.
    """
    name = str(model)
    return backbone_graph(name) if name in BACKBONES else network_graph(load_pretrained(name))

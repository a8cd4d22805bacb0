"""What can be written as ONNX: networks of either task, and open backbones.

Shape letters: B batch, T segments, N segments of any videos, C classes, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmpyramid.backbones.backbone import Backbone
from mmpyramid.backbones.registry import create_extractors
from mmpyramid.models import LocalizationNetwork, Localized, Network, Pooled, load_pretrained
from mmpyramid.models.localization import event_probabilities

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
    """A network with plain tensors in and out: `read` picks them from what it gives, and mask."""

    def __init__(
        self, network: Network[Any, Any], read: Callable[[Any, Tensor], tuple[Tensor, ...]]
    ) -> None:
        super().__init__()
        self.network, self.read = network, read

    def forward(self, mask: Tensor, present: Tensor, *streams: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(self.network.streams, streams, strict=True))
        return self.read(self.network(named, mask, present), mask)


def _read_parsed(pooled: Pooled, _: Tensor) -> tuple[Tensor, ...]:
    segment_BTMC, stream_BMC = pooled.prob_BTMC, pooled.stream_BMC
    return (
        *(segment_BTMC[:, :, 0], segment_BTMC[:, :, 1], pooled.video_BC),
        *(stream_BMC[:, 0], stream_BMC[:, 1]),
    )


def _read_localized(
    output: Localized, mask_BT: Tensor, *, num_classes: int
) -> tuple[Tensor, Tensor]:
    return event_probabilities(output, num_classes, mask_BT)


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
    read: Callable[[Any, Tensor], tuple[Tensor, ...]] = _read_parsed
    outputs: tuple[str, ...] = ("audio", "visual", "video", "video_audio", "video_visual")
    if isinstance(network, LocalizationNetwork):
        read = partial(_read_localized, num_classes=len(network.labels))
        outputs = ("relevance", "category")
    return Graph(
        module=_Plain(network, read).eval(),
        example={**masks, **streams},
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

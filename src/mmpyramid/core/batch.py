"""From the features of several videos to one padded batch with its masks.

Shape letters: B batch, T segments, D stream width, M modalities (audio, visual), C classes. A
stream is (T, D), or (T, H, W, D) where its extractor keeps the places of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from mmpyramid.core import Array, Features
from mmpyramid.core.errors import UserError

if TYPE_CHECKING:  # Annotations are read and scored without torch, which takes seconds to load.
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Which streams a network reads, by modality: stream name to width."""

    audio: Mapping[str, int]
    visual: Mapping[str, int]

    @property
    def widths(self) -> dict[str, int]:
        """Width of every stream, audio first."""
        return {**self.audio, **self.visual}


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Videos of different lengths, padded with zeros to the longest.

    Attributes:
        streams: (B, T, D) or (B, T, H, W, D) by stream name.
        mask_BT: True where a segment exists.
        present_BM: True where the video has the modality.
        weak_BC: video-level labels, for training; in event localization (B, C + 1), the last of
            which is background.
        audio_BTC: which classes can be heard in each segment, where that is annotated.
        visual_BTC: which classes can be seen in each segment, where that is annotated.
        modality_BMC: weak labels of each modality, where they are known (MA), for training.
        pseudo_BTMC: what a teacher says of each segment and modality, within 0..1, for training.
        pseudo_weight_BTMC: how much each of these counts, 0 or more.
        segment_BT: int64 class of each segment in event localization, C where there is background.
        extent_BTCX: seconds that the event of a class lasts before and after the middle of each
            segment that it is in (X = 2), for training; 0 elsewhere.
    """

    streams: dict[str, Tensor]
    mask_BT: Tensor
    present_BM: Tensor
    weak_BC: Tensor | None = None
    audio_BTC: Tensor | None = None
    visual_BTC: Tensor | None = None
    segment_BT: Tensor | None = None
    modality_BMC: Tensor | None = None
    pseudo_BTMC: Tensor | None = None
    pseudo_weight_BTMC: Tensor | None = None
    extent_BTCX: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with another tensor in the place of each, as a function gives it."""
        changed = {name: change(values) for name, values in self.tensors().items()}
        return replace(
            self,
            streams={name: changed[f"streams.{name}"] for name in self.streams},
            **{name: value for name, value in changed.items() if "." not in name},
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is there, by name; streams as `streams.NAME`."""
        from torch import Tensor

        streams = {f"streams.{name}": values for name, values in self.streams.items()}
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return streams | {n: value for n, value in named.items() if isinstance(value, Tensor)}

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device; copies from pinned memory to a GPU are asynchronous."""
        import torch

        waits = torch.device(device).type == "cpu"
        return self.map(lambda values: values.to(device, non_blocking=not waits))


def per_segment(stream: str, values: Array, num_segments: int) -> Array:
    """Average a per-frame stream (k T, ..., D) to one row per segment, (T, ..., D).

    Every network's first layer is affine, so averaging before it gives the same output as averaging
    after it, at 1/k of the work.

    Raises:
        UserError: if the rows are no multiple of T.
    """
    if len(values) == num_segments:
        return values
    if num_segments == 0 or len(values) % num_segments:
        raise UserError(
            f"stream `{stream}` has {len(values)} rows, which is not a multiple of the "
            f"{num_segments} segments of the other streams; extract all streams from the same video"
        )
    grouped = values.reshape(num_segments, -1, *values.shape[1:])
    pooled: Array = grouped.mean(axis=1, dtype=np.float32)
    return pooled


def collate(videos: Sequence[Features], streams: Streams) -> Batch:
    """Pad and stack the features of some videos.

    Args:
        videos: features by stream name; a modality is absent when none of its streams is there.
        streams: what the network reads.

    Returns:
        A `Batch` without labels.

    Raises:
        UserError: if a stream has another width than the network's, lacks a companion of the same
            modality, has another grid in another video, or the streams disagree about the length.
    """
    import torch

    if not videos:
        raise UserError("expected the features of at least one video, got none")
    aligned = [_align(video, streams) for video in videos]
    lengths = [num_segments for _, num_segments in aligned]
    longest = max(lengths)
    stacked = {
        name: np.zeros((len(videos), longest, *_common_shape(name, aligned), width), np.float32)
        for name, width in streams.widths.items()
    }
    for row, (video, num_segments) in enumerate(aligned):
        for name, values in video.items():
            stacked[name][row, :num_segments] = values
    sides = (streams.audio, streams.visual)
    present = [[bool(side.keys() & video.keys()) for side in sides] for video, _ in aligned]
    return Batch(
        streams={name: torch.from_numpy(values) for name, values in stacked.items()},
        mask_BT=torch.arange(longest)[None, :] < torch.tensor(lengths)[:, None],
        present_BM=torch.tensor(present),
    )


def _align(video: Features, streams: Streams) -> tuple[dict[str, Array], int]:
    """Keep the wanted streams of one video at one row per segment; give them with T."""
    found = {name: video[name] for name in streams.widths if name in video}
    for side in (streams.audio, streams.visual):
        absent = side.keys() - found.keys()
        if absent and absent != side.keys():
            raise UserError(f"the network also needs {_names(absent)} beside {_names(found)}")
    if not found:
        raise UserError(
            f"the network reads {_names(streams.widths)}, the features hold {_names(video)}; "
            "extract with the feature set that the network was trained on"
        )
    for name, values in found.items():
        width = streams.widths[name]
        if values.ndim not in (2, 4) or values.shape[-1] != width:
            raise UserError(
                f"stream `{name}` should be (segments, {width}) or (segments, height, width, "
                f"{width}), got {values.shape}: another extractor made it"
            )
    num_segments = min(len(values) for values in found.values())
    if not num_segments:
        raise UserError(f"expected at least one segment in {_names(found)}, got none")
    return {n: per_segment(n, values, num_segments) for n, values in found.items()}, num_segments


def _common_shape(stream: str, videos: Sequence[tuple[Features, int]]) -> tuple[int, ...]:
    """What stands between T and D in every video that has the stream: nothing, or H and W."""
    shapes = {video[stream].shape[1:-1] for video, _ in videos if stream in video}
    if len(shapes) > 1:
        raise UserError(
            f"stream `{stream}` should have the same grid in all videos of a batch, got "
            f"{' and '.join(map(str, sorted(shapes)))}; extract all videos with the same extractor"
        )
    return shapes.pop() if shapes else ()


def _names(streams: Mapping[str, object] | set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(streams)) or "no stream"

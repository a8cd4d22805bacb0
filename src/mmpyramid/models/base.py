"""What every parsing network shares: the head, and `predict` from features to scores.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes, L pyramid
units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, overload

import torch
from torch import Tensor, nn

from mmpyramid.data.batch import Streams, collate
from mmpyramid.models.heads import AttentiveMMIL, Pooled
from mmpyramid.types import Features, Scores


class Encoded(NamedTuple):
    """Fused features (B, T, M, D) and the weights of the units in them (B, T, M, L), if any."""

    fused_BTMD: Tensor
    unit_weights_BTML: Tensor | None = None


class ParsingNetwork(nn.Module, ABC):
    """A network that says what can be heard and seen in each segment.

    Attributes:
        architecture: name under which checkpoints know the class.
        labels: the C class names.
        inputs: the feature streams that it reads, by modality.
        context: length in segments of the videos that it was trained on; longer ones get their
            video-level probabilities from windows of this length.
        notes: what a reader of its timelines should know.
    """

    architecture: str
    labels: tuple[str, ...]
    inputs: Streams
    context: int
    head: AttentiveMMIL
    notes: tuple[str, ...] = ()

    @property
    def streams(self) -> dict[str, int]:
        """Width of every stream that it reads, by name."""
        return self.inputs.widths

    @abstractmethod
    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Turn the streams into one feature per segment and modality."""

    def forward(
        self,
        streams: Mapping[str, Tensor],
        mask_BT: Tensor | None = None,
        present_BM: Tensor | None = None,
    ) -> Pooled:
        """Score a batch.

        Args:
            streams: (B, T, D) by stream name.
            mask_BT: True where a segment exists; all exist if left out.
            present_BM: True where a video has the modality; all have both if left out.

        Returns:
            The probabilities of segments, streams and videos.
        """
        first = next(iter(streams.values()))
        if mask_BT is None:
            mask_BT = torch.ones(first.shape[:2], dtype=torch.bool, device=first.device)
        if present_BM is None:
            present_BM = torch.ones(len(first), 2, dtype=torch.bool, device=first.device)
        fused_BTMD, _ = self.encode(streams, mask_BT, present_BM)
        pooled: Pooled = self.head(fused_BTMD, mask_BT, present_BM)
        return pooled

    @overload
    def predict(self, features: Features) -> Scores: ...
    @overload
    def predict(self, features: Sequence[Features]) -> list[Scores]: ...

    @torch.inference_mode()
    def predict(self, features: Features | Sequence[Features]) -> Scores | list[Scores]:
        """Score one video, or several in one batch, of any length.

        Segment probabilities come from one pass over the whole video. Video-level probabilities of
        videos longer than `context` are the maximum over half-overlapping windows of that length,
        and `Scores.local_video` tells them segment by segment.

        Raises:
            UserError: if the features are not those that the network reads.
        """
        if isinstance(features, Mapping):
            return self.predict([features])[0]
        batch = collate(features, self.inputs)
        device = next(self.parameters()).device
        mask, present = batch.mask_BT.to(device), batch.present_BM.to(device)
        streams = {name: values.to(device) for name, values in batch.streams.items()}
        was_training = self.training
        self.eval()
        fused_BTMD, _ = self.encode(streams, mask, present)
        lengths = batch.mask_BT.sum(1).tolist()
        scores = [
            self._scores_of(fused_BTMD[row, :length], present[row])
            for row, length in enumerate(lengths)
        ]
        self.train(was_training)
        return scores

    def _scores_of(self, fused_TMD: Tensor, present_M: Tensor) -> Scores:
        length = len(fused_TMD)
        starts = window_starts(length, self.context)
        size = min(length, self.context)
        windows = torch.stack([fused_TMD[start : start + size] for start in starts])
        every = torch.ones(windows.shape[:2], dtype=torch.bool, device=windows.device)
        pooled: Pooled = self.head(windows, every, present_M.expand(len(windows), -1))
        prob_TMC = fused_TMD.new_zeros(length, 2, len(self.labels))
        local_TC = fused_TMD.new_zeros(length, len(self.labels))
        for start, prob, video in zip(starts, pooled.prob_BTMC, pooled.video_BC, strict=True):
            window = slice(start, start + size)
            prob_TMC[window] = prob
            local_TC[window] = torch.maximum(local_TC[window], video)
        stream_MC = pooled.stream_BMC.amax(0)
        return Scores(
            audio=prob_TMC[:, 0].float().cpu().numpy(),
            visual=prob_TMC[:, 1].float().cpu().numpy(),
            video=pooled.video_BC.amax(0).float().cpu().numpy(),
            labels=self.labels,
            video_audio=stream_MC[0].float().cpu().numpy(),
            video_visual=stream_MC[1].float().cpu().numpy(),
            local_video=local_TC.float().cpu().numpy() if length > self.context else None,
        )


def window_starts(length: int, size: int) -> list[int]:
    """Starts of half-overlapping windows that cover `length` segments; the last is right-aligned.

    Example:
        >>> window_starts(23, 10)
        [0, 5, 10, 13]
    """
    if length <= size:
        return [0]
    return [*range(0, length - size, max(1, size // 2)), length - size]

"""Parsing networks: an encoder of any kind under attentive MMIL pooling.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes, L pyramid
units.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mmpyramid.core import Decoder, Gate, Scores
from mmpyramid.core.batch import Batch
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.models.heads import AttentiveMMIL
from mmpyramid.models.network import Network, NetworkConfig, window_starts
from mmpyramid.models.outputs import Encoded, Pooled
from mmpyramid.models.pieces import PIECE, encode_in_pieces


@dataclass(kw_only=True, slots=True)
class ParsingConfig(NetworkConfig):
    """What every parsing network's configuration holds; defaults are the published LLP setting."""

    labels: tuple[str, ...] = LLP_LABELS
    """Class names in the order of the outputs."""
    visual_streams: dict[str, int] = field(
        default_factory=lambda: {"resnet152": 2048, "r2plus1d_18": 512}
    )
    """Width of each visual stream by name."""
    gate: Gate = "global"
    """Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid) or
    `per_modality` (MA)."""

    @property
    def decoder(self) -> Decoder:
        """The official rule, with the gate that the network was made for."""
        return Decoder(gate=self.gate)


class ParsingNetwork(Network[Pooled, Scores]):
    """A network that says what can be heard and seen in each segment.

    A subclass writes `encode`; the head and all that follows is here. One that pools in another way
    than by attentive MMIL writes `make_head` as well.
    """

    problem = "parsing"
    config: ParsingConfig

    def __init__(self, config: ParsingConfig) -> None:
        super().__init__(config)
        self.head = self.make_head()

    def make_head(self) -> nn.Module:
        """What turns encoded features (B, T, M, D), `mask_BT` and `present_BM` into a `Pooled`.

        It is called before a subclass has made its own layers.
        """
        return AttentiveMMIL(self.config.width, len(self.config.labels))

    @abstractmethod
    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Turn the streams into one feature per segment and modality."""

    def score(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Give the probabilities of segments, streams and videos."""
        encoded = self.encode(streams, mask_BT, present_BM)
        pooled: Pooled = self.head(encoded.fused_BTMD, mask_BT, present_BM)
        return pooled._replace(encoded=encoded)

    @property
    def encoder_reach(self) -> int | None:
        """How many segments before and after one can change its feature; None: all of them."""
        return None

    @property
    def reach(self) -> int | None:
        """How many segments before and after one can change its scores; None: all of them."""
        return None if self.encoder_reach is None else self.encoder_reach + self.context

    def results(self, batch: Batch) -> list[Scores]:
        """Score videos of any length.

        The video-level probability of a long video is the maximum over its windows, and
        `Scores.local_video` tells it segment by segment.
        """
        inputs = (batch.streams, batch.mask_BT, batch.present_BM)
        if self.encoder_reach is None:
            encoded = self.encode(*inputs)
        else:
            encoded = encode_in_pieces(self.encode, *inputs, self.encoder_reach)
        return [
            self._scores_of(encoded, row, length, batch.present_BM[row])
            for row, length in enumerate(batch.mask_BT.sum(1).tolist())
        ]

    def _scores_of(self, encoded: Encoded, row: int, length: int, present_M: Tensor) -> Scores:
        fused_TMD = encoded.fused_BTMD[row, :length]
        prob_TMC, local_TC, stream_MC = self._pool_windows(fused_TMD, present_M)
        weights = encoded.unit_weights_BTML
        return Scores(
            audio=prob_TMC[:, 0].cpu().numpy(),
            visual=prob_TMC[:, 1].cpu().numpy(),
            video=local_TC.amax(0).cpu().numpy(),
            labels=self.labels,
            video_audio=stream_MC[0].cpu().numpy(),
            video_visual=stream_MC[1].cpu().numpy(),
            local_video=local_TC.cpu().numpy() if length > self.context else None,
            unit_weights=None if weights is None else weights[row, :length].float().cpu().numpy(),
        )

    def _pool_windows(self, fused_TMD: Tensor, present_M: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pool half-overlapping windows of a video, float32.

        Returns:
            Probabilities of the segments (T, M, C); of the video around each segment (T, C), the
            highest of the windows that it is in; of each modality in the whole video (M, C).
        """
        length, num_classes = len(fused_TMD), len(self.labels)
        prob_TMC = fused_TMD.new_zeros(length, 2, num_classes, dtype=torch.float32)
        local_TC, stream_MC = prob_TMC[:, 0].clone(), prob_TMC.new_zeros(2, num_classes)
        size = min(length, self.context)
        all_starts = torch.tensor(window_starts(length, size), device=fused_TMD.device)
        for start_W in torch.split(all_starts, max(1, PIECE // size)):
            index_WS = start_W[:, None] + torch.arange(size, device=fused_TMD.device)
            every = torch.ones_like(index_WS, dtype=torch.bool)
            pooled: Pooled = self.head(
                fused_TMD[index_WS], every, present_M.expand(len(start_W), -1)
            )
            prob_TMC[index_WS] = pooled.prob_BTMC.float()
            stream_MC = torch.maximum(stream_MC, pooled.stream_BMC.amax(0))
            video_WSC = pooled.video_BC[:, None].expand(-1, size, -1).float()
            index_NC = index_WS.flatten()[:, None].expand(-1, num_classes)
            local_TC.scatter_reduce_(0, index_NC, video_WSC.flatten(0, 1), "amax")
        return prob_TMC, local_TC, stream_MC

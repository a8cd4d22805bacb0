"""Parsing networks: an encoder of any kind under a head that pools segments to weak labels.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes, L pyramid
units, W windows of S segments each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from mmpyramid.core import Decoder, Gate, Scores
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.models.attention import MASKED, TransformerLayer
from mmpyramid.models.network import Encoded, Network, NetworkConfig, Pooled, windows_by_size

Encode: TypeAlias = Callable[[Mapping[str, Tensor], Tensor, Tensor], Encoded]
Head: TypeAlias = Literal["mmil", "leap", "leap-paper"]

PIECE = 1024
"""Segments that are kept of a piece; what is computed of it then stays in a processor's cache."""


@dataclass(kw_only=True, slots=True)
class ParsingConfig(NetworkConfig):
    """What every parsing network's configuration holds; defaults are the published LLP setting.

    Example:
        >>> len(ParsingConfig().labels)
        25
    """

    labels: tuple[str, ...] = LLP_LABELS
    """Class names in the order of the outputs."""
    visual_streams: dict[str, int] = field(
        default_factory=lambda: {"resnet152": 2048, "r2plus1d_18": 512}
    )
    """Width of each visual stream by name."""
    gate: Gate = "global"
    """Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid) or
    `per_modality` (MA)."""
    head: Head = "mmil"
    """What turns features into probabilities: attentive MMIL pooling, or the decoder of LEAP as
    released (`leap`) or as its paper has it (`leap-paper`)."""

    @property
    def decoder(self) -> Decoder:
        """The official rule, with the gate that the network was made for."""
        return Decoder(gate=self.gate)


class PoolingHead(nn.Module):
    """Pools features of segments to probabilities of segments and of videos.

    A subclass writes `pool`. Autocast stops here, for the losses take logarithms.
    """

    @abstractmethod
    def pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """`forward` in the number format of the head's own weights."""

    def forward(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Pool.

        Args:
            x_BTMD: features of both modalities.
            mask_BT: True where a segment exists.
            present_BM: True where the video has the modality; what is absent has probability 0 and
                no weight.
        """
        wide = torch.promote_types(x_BTMD.dtype, torch.float32)
        dtype = next((p.dtype for p in self.parameters()), wide)
        with torch.autocast(x_BTMD.device.type, enabled=False):
            return self.pool(x_BTMD.to(dtype), mask_BT, present_BM)


class AttentiveMMIL(PoolingHead):
    """Attentive MMIL pooling (HAN, ECCV 2020), the head of the released network.

    A stream's probability is the mean of its segments' probabilities, weighted per class over time.
    The video's weighs the two modalities besides, in every segment anew; as these products need not
    sum to 1, it is kept from exceeding 1, which the released code leaves to its loss and gate.

    Args:
        width: D.
        num_classes: C.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.probability = nn.Linear(width, num_classes)
        self.time_attention = nn.Linear(width, num_classes)
        self.modality_attention = nn.Linear(width, num_classes)

    def pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Weigh segments over time, and modalities in every segment."""
        present = present_BM[:, None, :, None]
        exists = mask_BT[:, :, None, None]
        prob = torch.sigmoid(self.probability(x_BTMD)) * present
        over_time = self.time_attention(x_BTMD).masked_fill(~exists, MASKED).softmax(1)
        over_modality = self.modality_attention(x_BTMD).masked_fill(~present, MASKED).softmax(2)
        weighted = prob * over_time
        stream, video = weighted.sum(1), (weighted * over_modality).sum((1, 2))
        return Pooled(prob, stream.clamp(max=1), video.clamp(max=1))


class LabelDecoder(PoolingHead):
    """The decoder of LEAP (Zhou et al., ECCV 2024): labels attend to the segments of each modality.

    What a label has read tells whether it occurs in the video, and its attention scores before any
    softmax, averaged over the heads, tell in which segments. In the paper these are the scores with
    which the last layer reads. The released code computes them once more, from the label that has
    just read and without its normalization.

    Departures: the release projects GloVe's vectors of the labels' names, which are learned here,
    and starts its layers from equal weights. It thresholds both modalities before it says that the
    video has what either has; here the video has the larger probability, so that the gate is the
    same and there is a gradient.

    Args:
        width: D, a multiple of 8.
        num_classes: C.
        form: of the paper, or of the released code.

    Raises:
        UserError: if the heads cannot share the width.

    Example:
        >>> decoder, every = LabelDecoder(16, 3), torch.ones(2, 7, dtype=torch.bool)
        >>> pooled = decoder(torch.zeros(2, 7, 2, 16), every, torch.ones(2, 2, dtype=torch.bool))
        >>> tuple(pooled.prob_BTMC.shape), tuple(pooled.stream_BMC.shape)
        ((2, 7, 2, 3), (2, 2, 3))
    """

    def __init__(
        self, width: int, num_classes: int, form: Literal["released", "paper"] = "released"
    ) -> None:
        super().__init__()
        self.label_CD = nn.Parameter(torch.randn(num_classes, width))
        self.audio, self.visual = (LabelReader(width, form) for _ in range(2))

    def pool(self, x_BTMD: Tensor, mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Let the labels read each modality by itself."""
        audio_BTD, visual_BTD = x_BTMD.unbind(2)
        audio_BTC, heard_BC = self.audio(self.label_CD, audio_BTD, mask_BT)
        visual_BTC, seen_BC = self.visual(self.label_CD, visual_BTD, mask_BT)
        prob_BTMC = torch.stack((audio_BTC, visual_BTC), dim=2).sigmoid()
        stream_BMC = torch.stack((heard_BC, seen_BC), dim=1).sigmoid() * present_BM[..., None]
        return Pooled(prob_BTMC * present_BM[:, None, :, None], stream_BMC, stream_BMC.amax(1))


class LabelReader(nn.Module):
    """Two layers in which labels attend to the segments of one modality.

    Args:
        width: D, a multiple of 8.
        form: of the paper, or of the released code.

    Raises:
        UserError: if the heads cannot share the width.
    """

    num_heads = 8

    def __init__(self, width: int, form: Literal["released", "paper"]) -> None:
        super().__init__()
        if width % self.num_heads:
            raise UserError(
                f"expected a multiple of {self.num_heads}, the heads of LEAP's decoder, as width, "
                f"got {width}"
            )
        self.form = form
        self.first, self.last = (
            TransformerLayer(width, self.num_heads, None, dropout=0.2, attention_dropout=0.1)
            for _ in range(2)
        )
        self.occurrence = nn.Linear(width, 1)

    def forward(self, label_CD: Tensor, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Give the logits of segments (B, T, C) and of the whole video (B, C)."""
        label_BCD = self.first(label_CD.expand(len(x_BTD), -1, -1), x_BTD, mask_BT)
        read_BCD = self.last.mix(label_BCD, x_BTD, mask_BT)
        reads_as_BCD = read_BCD if self.form == "released" else self.last.attention_norm(label_BCD)
        attention = self.last.attention
        query_BCD, key_BTD = attention.query(reads_as_BCD), attention.key(x_BTD)
        # The heads' products add up to the product of the whole.
        score_BTC = key_BTD @ query_BCD.mT / (self.num_heads * key_BTD.shape[-1]) ** 0.5
        return score_BTC, self.occurrence(self.last.feed(read_BCD)).squeeze(-1)


class ParsingNetwork(Network[Pooled, Scores]):
    """A network that says what can be heard and seen in each segment.

    A subclass writes `encode`; the head and all that follows is here. One that pools in another way
    than by attentive MMIL writes `make_head` as well.

    Example:
        >>> from mmpyramid.models import MMPyramid
        >>> issubclass(MMPyramid, ParsingNetwork), ParsingNetwork.problem
        (True, 'parsing')
    """

    problem = "parsing"
    config: ParsingConfig

    def __init__(self, config: ParsingConfig) -> None:
        super().__init__(config)
        if config.head != "mmil" and type(self).make_head is not ParsingNetwork.make_head:
            raise UserError(
                f"the network `{config.architecture}` has a head of its own; leave --model.head out"
            )
        self.head = self.make_head()

    def make_head(self) -> PoolingHead:
        """What turns encoded features into probabilities.

        It is called before a subclass has made its own layers.
        """
        width, num_classes = self.config.width, len(self.config.labels)
        if self.config.head == "mmil":
            return AttentiveMMIL(width, num_classes)
        return LabelDecoder(
            width, num_classes, "paper" if self.config.head == "leap-paper" else "released"
        )

    @abstractmethod
    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        """Turn the streams into one feature per segment and modality."""

    def score(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Pooled:
        """Give the probabilities of segments, streams and videos."""
        encoded = self.encode(streams, mask_BT, present_BM)
        pooled: Pooled = self.head(encoded.fused_BTMD, mask_BT, present_BM)
        return pooled._replace(encoded=encoded)

    def tensors(self, output: Pooled, mask_BT: Tensor) -> dict[str, Tensor]:
        """Probabilities of both streams, of the video, and of each stream in the video."""
        del mask_BT
        return {
            "audio": output.prob_BTMC[:, :, 0],
            "visual": output.prob_BTMC[:, :, 1],
            "video": output.video_BC,
            "video_audio": output.stream_BMC[:, 0],
            "video_visual": output.stream_BMC[:, 1],
        }

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
        inputs = (self.as_weights(batch.streams), batch.mask_BT, batch.present_BM)
        if self.encoder_reach is None:
            encoded = self.encode(*inputs)
        else:
            encoded = encode_in_pieces(self.encode, *inputs, self.encoder_reach)
        lengths = batch.mask_BT.sum(1).tolist()
        prob_BTMC, local_BTC, stream_BMC = (
            values.cpu().numpy()
            for values in self._pool_windows(encoded.fused_BTMD, lengths, batch.present_BM)
        )
        weights_BTML = encoded.unit_weights_BTML
        weights = None if weights_BTML is None else weights_BTML.float().cpu().numpy()
        return [
            Scores(
                audio=prob_BTMC[row, :length, 0],
                visual=prob_BTMC[row, :length, 1],
                video=local_BTC[row, :length].max(0),
                labels=self.labels,
                video_audio=stream_BMC[row, 0],
                video_visual=stream_BMC[row, 1],
                local_video=local_BTC[row, :length] if length > self.context else None,
                unit_weights=None if weights is None else weights[row, :length],
            )
            for row, length in enumerate(lengths)
        ]

    def _pool_windows(
        self, fused_BTMD: Tensor, lengths: Sequence[int], present_BM: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pool half-overlapping windows of each video, float32.

        Returns:
            Probabilities of the segments (B, T, M, C), and of the video around each segment
            (B, T, C), the highest of the windows that it is in; of each modality in the whole video
            (B, M, C).
        """
        (B, T), num_classes = fused_BTMD.shape[:2], len(self.labels)
        prob_NX = fused_BTMD.new_zeros(B * T, 2 * num_classes, dtype=torch.float32)
        local_NC = prob_NX.new_zeros(B * T, num_classes)
        stream_BMC = prob_NX.new_zeros(B, 2, num_classes)
        for size, windows in windows_by_size(lengths, self.context):
            every = torch.tensor(windows, device=fused_BTMD.device)
            for row_W, start_W in (some.T for some in torch.split(every, max(1, PIECE // size))):
                at = row_W[:, None], start_W[:, None] + torch.arange(size, device=every.device)
                exists_WS = torch.ones_like(at[1], dtype=torch.bool)
                pooled: Pooled = self.head(fused_BTMD[at], exists_WS, present_BM[row_W])
                index_N1 = (at[0] * T + at[1]).reshape(-1, 1)
                values_NX = pooled.prob_BTMC.float().flatten(2).flatten(0, 1)
                prob_NX.scatter_reduce_(0, index_N1.expand_as(values_NX), values_NX, "amax")
                stream_WMC, video_WC = pooled.stream_BMC.float(), pooled.video_BC.float()
                index_WMC = row_W[:, None, None].expand_as(stream_WMC)
                stream_BMC.scatter_reduce_(0, index_WMC, stream_WMC, "amax")
                video_NC = video_WC.repeat_interleave(size, 0)
                local_NC.scatter_reduce_(0, index_N1.expand_as(video_NC), video_NC, "amax")
        return prob_NX.view(B, T, 2, -1), local_NC.view(B, T, -1), stream_BMC


def encode_in_pieces(
    encode: Encode,
    streams: Mapping[str, Tensor],
    mask_BT: Tensor,
    present_BM: Tensor,
    reach: int,
) -> Encoded:
    """Encode pieces with as much around them as can reach into them, and keep the pieces.

    Args:
        encode: encodes a video of any length.
        streams: (B, T, ..., D) by stream name.
        mask_BT: True where a segment exists.
        present_BM: True where a video has the modality.
        reach: how many segments before and after one can change it.

    Returns:
        What `encode` gives for the whole; of a long video without `projected_BTMD`.
    """
    length = mask_BT.shape[1]
    if length <= 2 * PIECE:
        return encode(streams, mask_BT, present_BM)
    parts = []
    for begin, start, stop, end in pieces(length, reach, PIECE):
        around = {name: values[:, begin:end] for name, values in streams.items()}
        encoded = encode(around, mask_BT[:, begin:end], present_BM)
        kept = slice(start - begin, stop - begin)
        weights = encoded.unit_weights_BTML
        parts.append(
            (encoded.fused_BTMD[:, kept], weights if weights is None else weights[:, kept])
        )
    fused, all_weights = zip(*parts, strict=True)
    some = [weights for weights in all_weights if weights is not None]
    return Encoded(torch.cat(fused, 1), None, torch.cat(some, 1) if some else None)


def pieces(length: int, reach: int, piece: int) -> Iterator[tuple[int, int, int, int]]:
    """Where each piece begins with what is around it, where it starts, stops, and where that ends.

    Example:
        >>> list(pieces(25, reach=3, piece=10))
        [(0, 0, 10, 13), (7, 10, 20, 23), (17, 20, 25, 25)]
    """
    for start in range(0, length, piece):
        stop = min(start + piece, length)
        yield max(0, start - reach), start, stop, min(stop + reach, length)

"""What every network shares: a configuration, what it gives, the streams that it reads, `predict`.

Shape letters: B batch, T segments, D width, M modalities (audio, visual), C classes, L pyramid
units.
"""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    Self,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

import torch
from torch import Tensor, nn

from mmpyramid.core import Decoder, Features
from mmpyramid.core.batch import Batch, Streams, collate
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Output = TypeVar("Output")
Result = TypeVar("Result")

SIZE = re.compile(r"(.+_)?(width|heads)|num_.+|context")
"""Names of settings that are sizes."""
LARGEST_SIZE, MOST_PARTS = 2**17, 1000
"""Of a width or of the context in segments, which is a day at most; of layers, heads and so on."""

AT_ONCE = 1280
"""Segments, padding included, of the videos that are scored together: 128 clips of ten seconds."""


def check_settings(config: DataclassInstance) -> None:
    """Refuse sizes below 1, dropout outside 0..1 and unknown choices.

    A field's name tells whether it is a size, its type whether it is a choice.

    Raises:
        UserError: if there are such.

    Example:
        >>> from mmpyramid.models import PyramidConfig
        >>> check_settings(PyramidConfig(num_heads=4))
    """
    for name in (one.name for one in fields(config)):
        value = getattr(config, name)
        if SIZE.fullmatch(name):
            largest = MOST_PARTS if name.startswith("num_") else LARGEST_SIZE
            if value < 1:
                raise UserError(f"{name} should be at least 1, got {value}")
            if value > largest:
                raise UserError(f"{name} should be at most {largest}, got {value}")
        if name.endswith("dropout") and not 0 <= value <= 1:
            raise UserError(f"{name} should be in 0..1, got {value}")
        choices = get_args(_hints(type(config))[name])
        if get_origin(_hints(type(config))[name]) is Literal and value not in choices:
            raise UserError(
                f"{name} should be one of {', '.join(map(str, choices))}, got "
                f"{shorten(repr(value))}"
            )


@cache
def _hints(config: type[DataclassInstance]) -> dict[str, Any]:
    return get_type_hints(config)


@dataclass(kw_only=True, slots=True)
class NetworkConfig:
    """What every network's configuration holds.

    Raises:
        UserError: if a value cannot make a network.

    Example:
        >>> from mmpyramid.models import HANConfig
        >>> HANConfig.from_dict({"width": 64}).width
        64
    """

    architecture: ClassVar[str]
    """Name under which checkpoints and commands know the network."""

    labels: tuple[str, ...]
    """Class names in the order of the outputs."""
    audio_streams: dict[str, int] = field(default_factory=lambda: {"vggish": 128})
    """Width of each audio stream by name."""
    visual_streams: dict[str, int]
    """Width of each visual stream by name."""
    width: int = 512
    """D, the width of every layer."""
    context: int = 10
    """Segments of the videos trained on, taken from the data; longer ones get video-level scores
    from such windows."""

    def __post_init__(self) -> None:
        self.labels = tuple(self.labels)
        self.audio_streams, self.visual_streams = (
            dict(self.audio_streams),
            dict(self.visual_streams),
        )
        check_settings(self)
        if not (self.audio_streams and self.visual_streams and self.labels):
            raise UserError("the network needs an audio stream, a visual stream and a label")
        widths = (*self.audio_streams.values(), *self.visual_streams.values())
        if not all(1 <= width <= LARGEST_SIZE for width in widths):
            raise UserError(f"widths of streams should be from 1 to {LARGEST_SIZE}, got {widths}")
        if self.audio_streams.keys() & self.visual_streams.keys():
            raise UserError("a stream is either audio or visual; one is listed as both")

    @property
    def inputs(self) -> Streams:
        """The feature streams that the network reads, by modality."""
        return Streams(audio=self.audio_streams, visual=self.visual_streams)

    @property
    def decoder(self) -> Decoder:
        """The decoder that is used by default."""
        return Decoder()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and YAML."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that `to_dict` was called on."""
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


class Encoded(NamedTuple):
    """Both modalities after the encoder, and what led there.

    Attributes:
        fused_BTMD: features that the head reads.
        projected_BTMD: the same segments before the encoder, projected to its width, where they are
            kept.
        unit_weights_BTML: weight of each pyramid unit in the fused features, where there are units.

    Example:
        >>> Encoded(torch.zeros(1, 10, 2, 64), projected_BTMD=None).fused_BTMD.shape
        torch.Size([1, 10, 2, 64])
    """

    fused_BTMD: Tensor
    projected_BTMD: Tensor | None
    unit_weights_BTML: Tensor | None = None


class Pooled(NamedTuple):
    """What a parsing network gives.

    Attributes:
        prob_BTMC: probability of each class in each segment and modality.
        stream_BMC: video-level probability in each modality.
        video_BC: video-level probability.
        encoded: the features behind it, for objectives that compare them.

    Example:
        >>> prob_BTMC = torch.zeros(1, 10, 2, 25)
        >>> Pooled(prob_BTMC, prob_BTMC.mean(1), prob_BTMC.mean((1, 2))).video_BC.shape
        torch.Size([1, 25])
    """

    prob_BTMC: Tensor
    stream_BMC: Tensor
    video_BC: Tensor
    encoded: Encoded | None = None


class Localized(NamedTuple):
    """What a localization network gives.

    Attributes:
        score_BTC: score of each class in each segment, the background last (C + 1 columns).
        relevance_BT: logit of "an event happens here", of networks that decompose the task.
        category_BC: logits of the video's category, with or without a column for the background,
            of networks that decompose the task.
        similarity_BT: cosine of the two modalities, of networks whose objective reads it.
        unit_weights_BTML: weight of each pyramid unit, where there are units.

    Example:
        >>> Localized(torch.zeros(1, 10, 29)).relevance_BT is None
        True
    """

    score_BTC: Tensor
    relevance_BT: Tensor | None = None
    category_BC: Tensor | None = None
    similarity_BT: Tensor | None = None
    unit_weights_BTML: Tensor | None = None


def to_full_precision(output: Any) -> Any:
    """The output of a network in float32 where autocast left fewer bits; float64 is kept.

    Example:
        >>> half = torch.tensor([[[0.5]]], dtype=torch.bfloat16)
        >>> to_full_precision(Localized(half)).score_BTC.dtype
        torch.float32
    """

    def widen(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(torch.promote_types(value.dtype, torch.float32))
        return value if value is None else to_full_precision(value)

    return output._replace(**{name: widen(value) for name, value in output._asdict().items()})


class Network(nn.Module, ABC, Generic[Output, Result]):
    """A network from streams of features to scores.

    Args:
        config: kept as a copy.

    Attributes:
        problem: name of the problem that it is for, see `mmpyramid.problems`.
        config_class: type of its configuration.
        config: the configuration.
        notes: what a reader of its timelines should know.
        vocabulary: what the zero-shot teachers find beside its own labels: the name of a vocabulary
            that comes along, or the text of another one; empty for nothing.

    Example:
        >>> from mmpyramid.models import MMPyramid, MMPyramidConfig
        >>> network = MMPyramid(MMPyramidConfig(width=16))
        >>> features = {"vggish": torch.zeros(10, 128).numpy()}
        >>> network.predict(features).audio.shape
        (10, 25)
    """

    problem: ClassVar[str]
    config_class: ClassVar[type[NetworkConfig]]
    notes: tuple[str, ...] = ()
    vocabulary: str = ""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = copy.deepcopy(config)

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names."""
        return self.config.labels

    @property
    def inputs(self) -> Streams:
        """The feature streams that it reads, by modality."""
        return self.config.inputs

    @property
    def streams(self) -> dict[str, int]:
        """Width of every stream that it reads, by name."""
        return self.inputs.widths

    @property
    def perceived(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The labels that it can hear, and those that it can see."""
        return self.labels, self.labels

    @property
    def decoder(self) -> Decoder:
        """The decoder that is used by default."""
        return self.config.decoder

    @property
    def context(self) -> int:
        """Length in segments of the videos that it was trained on."""
        return self.config.context

    @property
    def reach(self) -> int | None:
        """How many segments before and after one can change its scores; None: all of them."""
        return None

    @property
    def grid(self) -> int:
        """Long videos may be cut at multiples of this without moving the windows of `predict`."""
        return max(1, self.context // 2)

    @abstractmethod
    def score(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Output:
        """Score a batch.

        Args:
            streams: (B, T, ..., D) by stream name.
            mask_BT: True where a segment exists.
            present_BM: True where a video has the modality.
        """

    def tensors(self, output: Output, mask_BT: Tensor) -> dict[str, Tensor]:
        """What an exported network gives, by name: here every tensor of the named output.

        Args:
            output: of `forward`.
            mask_BT: True where a segment exists.
        """
        del mask_BT
        fields: dict[str, Any] = output._asdict()  # type: ignore[attr-defined]
        return {name: value for name, value in fields.items() if isinstance(value, Tensor)}

    @abstractmethod
    def results(self, batch: Batch) -> list[Result]:
        """Score videos of any length, one result each."""

    def forward(
        self,
        streams: Mapping[str, Tensor],
        mask_BT: Tensor | None = None,
        present_BM: Tensor | None = None,
    ) -> Output:
        """`score`, where all segments and modalities exist if their masks are left out."""
        first = next(iter(streams.values()))
        if mask_BT is None:
            mask_BT = torch.ones(first.shape[:2], dtype=torch.bool, device=first.device)
        if present_BM is None:
            present_BM = torch.ones(len(first), 2, dtype=torch.bool, device=first.device)
        return self.score(self.as_weights(streams), mask_BT, present_BM)

    def in_bfloat16(self) -> Self:
        """Convert the weights to bfloat16, in place; a subclass keeps those that need more bits."""
        return self.bfloat16()

    def as_weights(self, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The streams in the number format of the weights."""
        dtype = next(self.parameters()).dtype
        return {name: values.to(dtype) for name, values in streams.items()}

    @overload
    def predict(self, features: Features) -> Result: ...
    @overload
    def predict(self, features: Sequence[Features]) -> list[Result]: ...

    @torch.inference_mode()
    def predict(self, features: Features | Sequence[Features]) -> Result | list[Result]:
        """Score one video, or several in one batch, of any length.

        Segment scores come from one pass over the whole video. Video-level scores of videos longer
        than `context` come from half-overlapping windows of that length.

        Raises:
            UserError: if the features are not those that the network reads.
        """
        if isinstance(features, Mapping):
            return self.predict([features])[0]
        batch = collate(features, self.inputs).to(next(self.parameters()).device)
        was_training = self.training
        self.eval()
        try:
            return self.results(batch)
        finally:
            self.train(was_training)

    def predict_each(self, videos: Iterable[Features]) -> Iterator[Result]:
        """Score many videos in their order, several of similar length in one batch.

        Scores are those of `predict` for each video alone, but for rounding. Videos are taken as
        they are needed, so that one batch is in memory at a time.

        Args:
            videos: features of any length.

        Raises:
            UserError: if the features are not those that the network reads.

        Example:
            >>> for scores in network.predict_each(dataset.item(i) for i in ids):  # doctest: +SKIP
            ...     print(scores.video.max())
        """
        waiting: list[Features] = []
        longest = 0
        for video in videos:
            length = min((len(v) for n, v in video.items() if n in self.streams), default=0)
            if waiting and (len(waiting) + 1) * max(longest, length) > AT_ONCE:
                yield from self.predict(waiting)
                waiting, longest = [], 0
            waiting.append(video)
            longest = max(longest, length)
        if waiting:
            yield from self.predict(waiting)


class StreamProjection(nn.Module):
    """Project each stream of one modality to the width; several are concatenated and fused.

    Example:
        >>> project = StreamProjection({"vggish": 128}, width=64)
        >>> project({"vggish": torch.zeros(1, 10, 128)}).shape
        torch.Size([1, 10, 64])
    """

    def __init__(self, streams: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({n: nn.Linear(dim, width) for n, dim in streams.items()})
        self.fusion = nn.Linear(len(streams) * width, width) if len(streams) > 1 else nn.Identity()

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        """Give (B, T, D).

        Raises:
            UserError: if a stream has more than one vector per segment.
        """
        check_vectors(streams, self.projections)
        projected = [layer(streams[name]) for name, layer in self.projections.items()]
        out: Tensor = self.fusion(torch.cat(projected, dim=-1))
        return out


def windows_by_size(
    lengths: Sequence[int], context: int
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Windows of several videos that can be scored together, for they have the same size.

    Args:
        lengths: of the videos, in segments.
        context: size of the windows of videos that are longer; a shorter one is one window.

    Yields:
        A size, and the windows of that size as (row of the video, start).

    Example:
        >>> list(windows_by_size([10, 4, 23], 10))
        [(10, [(0, 0), (2, 0), (2, 5), (2, 10), (2, 13)]), (4, [(1, 0)])]
    """
    sizes = [min(length, context) for length in lengths]
    for size in dict.fromkeys(sizes):
        rows = [row for row, other in enumerate(sizes) if other == size]
        yield size, [(row, start) for row in rows for start in window_starts(lengths[row], size)]


def check_vectors(streams: Mapping[str, Tensor], names: Iterable[str]) -> None:
    """Check that streams (B, T, D) have one vector per segment.

    Raises:
        UserError: if one does not.
    """
    for name in names:
        if streams[name].ndim != 3:
            raise UserError(
                f"expected one vector per segment in the stream `{name}`, got "
                f"{tuple(streams[name].shape[2:])} each; pool them (`store import --pool`), or "
                "take a network that attends to maps"
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

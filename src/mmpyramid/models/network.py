"""What every network shares: a configuration, the streams that it reads, `predict`.

Shape letters: B batch, T segments, M modalities (audio, visual).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

import torch
from torch import Tensor, nn

from mmpyramid.core import Decoder, Features
from mmpyramid.core.batch import Batch, Streams, collate
from mmpyramid.core.errors import UserError
from mmpyramid.models.settings import check_settings

Output = TypeVar("Output")
Result = TypeVar("Result")


@dataclass(kw_only=True, slots=True)
class NetworkConfig:
    """What every network's configuration holds.

    Raises:
        UserError: if a value cannot make a network.
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
        if self.audio_streams.keys() & self.visual_streams.keys():
            raise UserError("a stream is either audio or visual; one is listed as both")

    @property
    def inputs(self) -> Streams:
        """The feature streams that the network reads, by modality."""
        return Streams(audio=self.audio_streams, visual=self.visual_streams)

    @property
    def decoder(self) -> Decoder:
        """What decides on its scores, unless something else is asked for."""
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


class Network(nn.Module, ABC, Generic[Output, Result]):
    """A network from streams of features to scores.

    Args:
        config: kept as a copy.

    Attributes:
        problem: name of the problem that it is for, see `mmpyramid.problems`.
        config_class: type of its configuration.
        config: the configuration.
        notes: what a reader of its timelines should know.
    """

    problem: ClassVar[str]
    config_class: ClassVar[type[NetworkConfig]]
    notes: tuple[str, ...] = ()

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
    def decoder(self) -> Decoder:
        """What decides on its scores, unless something else is asked for."""
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
        return self.score(streams, mask_BT, present_BM)

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


def window_starts(length: int, size: int) -> list[int]:
    """Starts of half-overlapping windows that cover `length` segments; the last is right-aligned.

    Example:
        >>> window_starts(23, 10)
        [0, 5, 10, 13]
    """
    if length <= size:
        return [0]
    return [*range(0, length - size, max(1, size // 2)), length - size]

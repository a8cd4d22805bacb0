"""What a backbone is: an `Extractor` turns one-second pieces of sound or picture into vectors."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Modality
from mmpyramid.core.device import computes_in_bf16
from mmpyramid.core.errors import UserError

if TYPE_CHECKING:
    import torch

    from mmpyramid.media.resizing import Resizing
    from mmpyramid.media.sampling import Sampling


class Precision(StrEnum):
    """The format of weights and activations; features are stored as float32 in any case.

    bfloat16 keeps 8 bits of each number: features differ by about 1 %, and come two to four times
    faster where the hardware knows it.
    """

    AUTO = "auto"
    """bfloat16 where the hardware multiplies in it, else float32."""
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    def resolve(self, device: str) -> Precision:
        """The precision on `device`, as PyTorch names it: never `AUTO`."""
        if self != Precision.AUTO:
            return self
        return Precision.BFLOAT16 if computes_in_bf16(device) else Precision.FLOAT32

    @property
    def dtype(self) -> torch.dtype:
        """PyTorch's name of a resolved precision."""
        import torch

        return {Precision.FLOAT32: torch.float32, Precision.BFLOAT16: torch.bfloat16}[self]


class Extractor(Protocol):
    """A frozen backbone that gives one vector, or a map of them, per segment of one second.

    It may have `sample_rate`, the samples per second of the sound that it takes; without, these are
    16,000.
    """

    @property
    def name(self) -> str:
        """The stream's name, for instance `yamnet`."""

    @property
    def modality(self) -> Modality:
        """What it listens to or looks at: `Modality.AUDIO` or `Modality.VISUAL`."""

    @property
    def dim(self) -> int:
        """D, the width of its vectors."""

    @property
    def frames_per_segment(self) -> int:
        """F, pictures per second that it takes (0 for sound)."""

    @property
    def frame_size(self) -> tuple[int, int]:
        """(width, height) of those pictures ((0, 0) for sound)."""

    @property
    def resizing(self) -> Resizing:
        """How they get that size."""

    @property
    def sampling(self) -> Sampling:
        """How files are cut into segments for it."""

    @property
    def precision(self) -> Precision:
        """In which number format the network computes."""

    @property
    def weights_sha256(self) -> str:
        """Hash of the pretrained weights, for the provenance of a store."""

    def embed(self, segments: NDArray[Any]) -> Array:
        """Embed N segments.

        Args:
            segments: (N, 16000) float32 waveforms in -1..1 at 16 kHz (or as many samples as
                `sample_rate` says), or (N, F, height, width, 3) uint8 RGB pictures.

        Returns:
            (N, ..., D) float32.
        """


class SimpleExtractor:
    """A base for backbones of your own: derive, set `name`, `modality` and `dim`, write `embed`.

    Of the attributes that `Extractor` describes the others have values here that fit sound, and
    pictures once `frames_per_segment` and `frame_size` are set. A backbone with weights from a file
    sets `weights_sha256`, so that features of other weights are not mixed in one store.
    """

    name: str
    modality: Modality
    dim: int
    frames_per_segment = 0
    frame_size = (0, 0)
    sample_rate = 16_000
    precision = Precision.FLOAT32
    weights_sha256 = ""

    @property
    def resizing(self) -> Resizing:
        """How pictures get the size: squashed by FFmpeg's scaler."""
        from mmpyramid.media.resizing import Resizing

        return Resizing.SCALER

    @property
    def sampling(self) -> Sampling:
        """As many segments as there are seconds."""
        from mmpyramid.media.sampling import Sampling

        return Sampling.SECONDS

    def embed(self, segments: NDArray[Any]) -> Array:
        """Embed N segments; see `Extractor.embed`."""
        raise NotImplementedError


def sample_rate_of(extractor: Extractor) -> int:
    """Samples per second of the sound that an extractor takes."""
    rate: int = getattr(extractor, "sample_rate", SimpleExtractor.sample_rate)
    return rate


def check_segments(extractor: Extractor, segments: NDArray[Any]) -> None:
    """Check that segments have the shape and the type that `Extractor.embed` takes.

    Raises:
        UserError: if not.
    """
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    if extractor.modality == Modality.AUDIO:
        rate = sample_rate_of(extractor)
        shape = (rate,)
        dtype, what = np.dtype(np.float32), f"seconds of mono sound at {rate:,} Hz within -1..1"
    else:
        frames, (width, height) = extractor.frames_per_segment, extractor.frame_size
        shape = (frames, height, width, 3)
        dtype, what = np.dtype(np.uint8), f"{frames} RGB picture{'s' * (frames != 1)} per second"
    if segments.shape[1:] != shape or segments.dtype != dtype:
        raise UserError(
            f"{extractor.name} takes (N, {', '.join(map(str, shape))}) {dtype}: {what}; "
            f"got {segments.shape} {segments.dtype}"
        )

"""What a backbone is: an `Extractor` turns one-second pieces of sound or picture into vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from mmpyramid.backbones.precision import Precision
from mmpyramid.core import Array, Modality

if TYPE_CHECKING:
    from mmpyramid.media.resizing import Resizing
    from mmpyramid.media.sampling import Sampling


class Extractor(Protocol):
    """A frozen backbone that gives one vector, or a map of them, per segment of one second.

    Attributes:
        name: the stream's name, for instance `yamnet`.
        modality: what it listens to or looks at: `Modality.AUDIO` or `Modality.VISUAL`.
        dim: D, the width of its vectors.
        frames_per_segment: F, pictures per second that it wants (0 for sound).
        frame_size: (width, height) of those pictures ((0, 0) for sound).
        resizing: how they get that size.
        sampling: how files are cut into segments for it.
        precision: in which number format the network computes.
        weights_sha256: hash of the pretrained weights, for the provenance of a store.
    """

    name: str
    modality: Modality
    dim: int
    frames_per_segment: int
    frame_size: tuple[int, int]
    resizing: Resizing
    sampling: Sampling
    precision: Precision
    weights_sha256: str

    def embed(self, segments: NDArray[Any]) -> Array:
        """Embed N segments.

        Args:
            segments: (N, 16000) float32 waveforms in -1..1 at 16 kHz, or (N, F, height, width, 3)
                uint8 RGB pictures.

        Returns:
            (N, ..., D) float32.
        """
        ...

"""What is known about the videos of one split: who they are, and what happens in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotations:
    """Labels of the N videos of one split, with C classes and T segments of one second.

    Attributes:
        ids: the N names under which features are stored.
        names: the N names in the annotation files, which may carry the cut (`<id>_<start>_<end>`).
        labels: the C class names.
        num_segments: T.
        weak: (N, C) float32, 1 where the class occurs somewhere in the video.
        audio: (N, T, C) bool, True where the class can be heard; None if only weak labels exist.
        visual: (N, T, C) bool, True where the class can be seen; None if only weak labels exist.

    Raises:
        UserError: if the shapes do not agree.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    num_segments: int
    weak: Array
    audio: Mask | None = None
    visual: Mask | None = None

    def __post_init__(self) -> None:
        weak = (len(self.ids), len(self.labels))
        dense = (len(self.ids), self.num_segments, len(self.labels))
        for name, shape in {"weak": weak, "audio": dense, "visual": dense}.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise UserError(
                    f"annotations of {len(self.ids)} videos, {self.num_segments} segments and "
                    f"{len(self.labels)} labels need `{name}` of shape {shape}, got {value.shape}"
                )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truth(self) -> tuple[Mask, Mask]:
        """What is heard and what is seen, two (N, T, C) masks.

        Raises:
            UserError: if the split has weak labels only.
        """
        if self.audio is None or self.visual is None:
            raise UserError(
                "expected a split with dense labels (val or test), got one with weak labels only"
            )
        return self.audio, self.visual

    @property
    def audio_visual(self) -> Mask | None:
        """(N, T, C) bool, True where the class can be heard and seen in the same segment."""
        if self.audio is None or self.visual is None:
            return None
        return self.audio & self.visual

"""The settings of a decision rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from mmpyramid.core.errors import UserError

Gate: TypeAlias = Literal["global", "per_modality", "none"]

GATES: tuple[Gate, ...] = ("global", "per_modality", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """How probabilities become decisions; the defaults are the official rule of LLP.

    The official rule (HAN, MM-Pyramid): a class is on in a segment when its segment probability and
    its probability for the whole video both reach 0.5. Tune the fields on validation data; the
    network is not needed for that.

    Attributes:
        threshold: a segment is on when its probability is at least this.
        visual_threshold: the same for the visual stream; None takes `threshold`.
        video_threshold: the video-level gate opens when its probability is at least this.
        gate: which video-level probability gates a stream. `global`: that of the whole video, for
            both streams (HAN, MM-Pyramid); `per_modality`: that of the stream itself (MA); `none`.
            None is the one that a network was made for, `global` if it does not tell.
        max_gap: silences of up to this many seconds between two runs of a label are filled.
        min_length: runs shorter than this many seconds are dropped, after the filling. A last
            segment that the end of the video cuts off counts as a whole second. Of a parsing
            network these are the audible and the visible runs; its `audio_visual` events are where
            they overlap, and may be shorter.

    Raises:
        UserError: if a threshold is outside 0..1, a length is negative or not finite, or the
            gate is unknown.

    Example:
        >>> Decoder(threshold=0.4, gate="per_modality").gate
        'per_modality'
    """

    threshold: float = 0.5
    visual_threshold: float | None = None
    video_threshold: float = 0.5
    gate: Gate | None = None
    max_gap: float = 0.0
    min_length: float = 0.0

    def with_sensitivity(self, sensitivity: float) -> Decoder:
        """The same with the one dial for people: both thresholds move together.

        Args:
            sensitivity: 0 lets only certain labels through, 0.5 is the official rule, 1 all labels.

        Raises:
            UserError: if it is outside 0..1, or a threshold has been chosen already.

        Example:
            >>> decoder = Decoder(max_gap=1).with_sensitivity(0.75)
            >>> decoder.threshold, decoder.video_threshold, decoder.max_gap
            (0.25, 0.25, 1)
        """
        if not 0 <= sensitivity <= 1:
            raise UserError(
                f"expected `sensitivity` within 0..1, got {sensitivity}; 0.5 is the usual one"
            )
        chosen = (self.threshold, self.visual_threshold, self.video_threshold)
        if chosen != (0.5, None, 0.5):
            raise UserError(
                "expected either the sensitivity, which moves all thresholds together, or "
                "thresholds; got both"
            )
        return replace(self, threshold=1 - sensitivity, video_threshold=1 - sensitivity)

    def __post_init__(self) -> None:
        for name in ("threshold", "visual_threshold", "video_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"expected `{name}` within 0..1, got {value}; 0.5 is the usual one")
        for name in ("max_gap", "min_length"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise UserError(
                    f"expected `{name}` in seconds, 0 or more, got {value}; 3600 is an hour"
                )
        if self.gate is not None and self.gate not in GATES:
            raise UserError(f"expected `gate` to be one of {', '.join(GATES)}, got {self.gate!r}")

"""Thresholds as parameters of an address."""

from typing import Annotated

from fastapi import Query

from mmpyramid.problems import Decoder, Gate

Probability = Annotated[float, Query(ge=0, le=1)]
Seconds = Annotated[float, Query(ge=0)]


def decoder_of(
    threshold: Probability = 0.5,
    visual_threshold: Annotated[float | None, Query(ge=0, le=1)] = None,
    video_threshold: Probability = 0.5,
    gate: Gate | None = None,
    max_gap: Seconds = 0.0,
    min_length: Seconds = 0.0,
    sensitivity: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> Decoder:
    """The decoder that a request asks for.

    Example:
        >>> decoder_of(threshold=0.3).threshold
        0.3
    """
    decoder = Decoder(
        threshold=threshold,
        visual_threshold=visual_threshold,
        video_threshold=video_threshold,
        gate=gate,
        max_gap=max_gap,
        min_length=min_length,
    )
    return decoder if sensitivity is None else decoder.with_sensitivity(sensitivity)

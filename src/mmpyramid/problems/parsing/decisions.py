"""Decisions of parsing networks: what can be heard and what can be seen.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

import numpy as np

from mmpyramid.core import Event, Modality, Scores
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, events_of, tidy
from mmpyramid.problems.decoder import Decoder


def segment_masks(scores: Scores, decoder: Decoder) -> tuple[Mask, Mask]:
    """Decide per segment and class whether it can be heard and whether it can be seen.

    With the default decoder this is the official inference of HAN and MM-Pyramid,
    `1[P >= 0.5] * 1[video >= 0.5]`. Where `scores.local_video` is present, it takes the place of
    `scores.video` in the global gate, segment by segment.

    Args:
        scores: probabilities of one video.
        decoder: thresholds, gate and lengths.

    Returns:
        audio (T, C) and visual (T, C), bool.

    Raises:
        UserError: if a probability is outside 0..1, or the gate needs scores that are not there.
    """
    audio_gate, visual_gate = _gates(scores, decoder)
    threshold, visual_threshold = decoder.threshold, decoder.visual_threshold
    if visual_threshold is None:
        visual_threshold = threshold
    for name, value_TC in (("audio", scores.audio), ("visual", scores.visual)):
        if not np.all((value_TC >= 0) & (value_TC <= 1)):
            raise UserError(
                f"expected `{name}` scores to be probabilities within 0..1, got logits or NaN"
            )
    audio_TC = (scores.audio >= threshold) & audio_gate
    visual_TC = (scores.visual >= visual_threshold) & visual_gate
    return tidy(audio_TC, decoder.max_gap, decoder.min_length), tidy(
        visual_TC, decoder.max_gap, decoder.min_length
    )


def _gates(scores: Scores, decoder: Decoder) -> tuple[Mask, Mask]:
    """Whether each stream may be on, (C,) or (T, C)."""
    if decoder.gate == "none":
        is_open = np.ones(len(scores.labels), dtype=np.bool_)
        return is_open, is_open
    if decoder.gate in {None, "global"}:
        video = scores.video if scores.local_video is None else scores.local_video
        is_open = video >= decoder.video_threshold
        return is_open, is_open
    if scores.video_audio is None or scores.video_visual is None:
        raise UserError(
            'gate "per_modality" needs scores with `video_audio` and `video_visual`, but this '
            'model gives none; use gate "global"'
        )
    return (
        scores.video_audio >= decoder.video_threshold,
        scores.video_visual >= decoder.video_threshold,
    )


def parsing_events(
    scores: Scores, decoder: Decoder, duration: float, missing: tuple[Modality, ...]
) -> list[Event]:
    """The audible, the visible, and the audible and visible runs of one video.

    Raises:
        UserError: as `segment_masks`.
    """
    audio_TC, visual_TC = segment_masks(scores, decoder)
    audio_TC &= Modality.AUDIO not in missing
    visual_TC &= Modality.VISUAL not in missing
    streams = {
        Modality.AUDIO: (audio_TC, scores.audio),
        Modality.VISUAL: (visual_TC, scores.visual),
        Modality.AUDIO_VISUAL: (audio_TC & visual_TC, scores.audio * scores.visual),
    }
    return [
        event
        for modality, (mask_TC, value_TC) in streams.items()
        for event in events_of(mask_TC, value_TC, modality, scores.labels, duration)
    ]

"""Room 5: probabilities to a `Timeline`. Deciding is apart from scoring; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmpyramid.core import AnyScores, Modality, Scores, Timeline, to_unit_weights
from mmpyramid.core.annotated import annotated
from mmpyramid.core.errors import UserError
from mmpyramid.core.rasterize import rasterize
from mmpyramid.problems.decoder import GATES, Decoder, Gate
from mmpyramid.problems.localization.decisions import category_mask, localization_events
from mmpyramid.problems.parsing.decisions import parsing_events, segment_masks

__all__ = [
    "GATES",
    "Decoder",
    "Gate",
    "annotated",
    "category_mask",
    "decode",
    "rasterize",
    "segment_masks",
]


def decode(
    scores: AnyScores,
    decoder: Decoder | None = None,
    *,
    duration: float | None = None,
    source: str = "",
    model: str = "",
    missing: Sequence[Modality] = (),
    notes: Sequence[str] = (),
) -> Timeline:
    """Turn the probabilities of one video into its timeline.

    Events of a parsing network follow the convention of LLP: `audio` events are the audible runs,
    `visual` events the visible ones, and `audio_visual` events the runs where both hold at once, so
    the three overlap on purpose. A localization network gives `audio_visual` events only. Every
    event is a maximal run of one-second segments. Its score is the mean probability over the run;
    for `audio_visual` the mean of the product. Weights of pyramid units come along as they are.

    Args:
        scores: probabilities of one video, of either task.
        decoder: thresholds, gate and lengths; None takes the official rule.
        duration: seconds of the video, where events end at the latest; None takes T.
        source: the video's path or id.
        model: what made the scores.
        missing: modalities that the file does not have; they yield no events.
        notes: what a reader of the timeline should know.

    Raises:
        UserError: if the duration and the number of segments disagree, a probability or a weight is
            outside 0..1, or the gate needs scores that are not there.

    Example:
        >>> import numpy as np
        >>> probs = np.array([[0.9], [0.8], [0.1]], np.float32)
        >>> scores = Scores(audio=probs, visual=0 * probs, video=probs[0], labels=("Dog",))
        >>> [(e.label, str(e.modality), e.start, e.end) for e in decode(scores)]
        [('Dog', 'audio', 0.0, 2.0)]
    """
    num_segments = scores.num_segments
    duration = float(num_segments) if duration is None else duration
    if num_segments and not num_segments - 1 < duration < math.inf:
        raise UserError(
            f"{num_segments} segments of one second need a duration of more than "
            f"{num_segments - 1} s, got {duration}; are the scores those of this video?"
        )
    rules = (decoder or Decoder(), duration, tuple(missing))
    if isinstance(scores, Scores):
        events = parsing_events(scores, *rules)
    else:
        events = localization_events(scores, *rules)
    weights_T2L = scores.unit_weights
    return Timeline(
        events=tuple(events),
        duration=duration,
        labels=scores.labels,
        source=source,
        model=model,
        missing=tuple(missing),
        notes=tuple(notes),
        unit_weights=to_unit_weights(() if weights_T2L is None else weights_T2L.transpose(1, 2, 0)),
    )

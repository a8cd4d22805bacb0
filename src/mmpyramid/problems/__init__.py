"""The problems: decision rule, official numbers and losses of each.

Deciding needs numpy alone; torch and torchmetrics are imported by what trains and evaluates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmpyramid.core import GATES, AnyScores, Decoder, Gate, Modality, Timeline, to_unit_weights
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import annotated, events_of, rasterize
from mmpyramid.problems.base import Objective, Problem, problem_named, register_problem
from mmpyramid.problems.dense.problem import DetectionProblem
from mmpyramid.problems.localization.decisions import category_mask
from mmpyramid.problems.localization.problem import LocalizationProblem
from mmpyramid.problems.parsing.decisions import segment_masks
from mmpyramid.problems.parsing.problem import ParsingProblem

__all__ = [
    "GATES",
    "Decoder",
    "DetectionProblem",
    "Gate",
    "LocalizationProblem",
    "Objective",
    "ParsingProblem",
    "Problem",
    "annotated",
    "category_mask",
    "decode",
    "problem_named",
    "rasterize",
    "register_problem",
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
    """Turn the probabilities of one video into its timeline, by the decision rule of its problem.

    Events of a parsing network follow the convention of LLP: `audio` events are the audible runs,
    `visual` events the visible ones, and `audio_visual` events the runs where both hold at once, so
    the three overlap on purpose. A localization network gives `audio_visual` events only. Every
    event is a maximal run of one-second segments. Its score is the mean probability over the run;
    for `audio_visual` the mean of the product. Weights of pyramid units come along as they are.

    Args:
        scores: probabilities of one video, of any problem.
        decoder: thresholds, gate and lengths; None takes the official rule.
        duration: seconds of the video, where events end at the latest; None takes T.
        source: the video's path or id.
        model: what made the scores.
        missing: modalities that the file does not have; they yield no events, and nothing that is
            heard and seen at once.
        notes: what a reader of the timeline should know; where nothing is found, what came nearest
            is added.

    Raises:
        UserError: if the duration and the number of segments disagree, a probability or a weight is
            outside 0..1, or the gate needs scores that are not there.

    Example:
        >>> import numpy as np
        >>> from mmpyramid.core import Scores
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
    problem = problem_named(scores.problem)
    masks_TC = problem.decide(scores, decoder or Decoder())
    values_TC = problem.values(scores)
    absent = {*missing, *((Modality.AUDIO_VISUAL,) if missing else ())}
    weights_T2L = scores.unit_weights
    events = tuple(
        event
        for modality, mask_TC in masks_TC.items()
        if modality not in absent
        for event in events_of(
            mask_TC,
            values_TC[modality],
            modality,
            scores.labels,
            duration,
            () if modality == Modality.AUDIO else scores.inferred,
        )
    )
    others = [note for note in notes if note not in scores.nearest]
    return Timeline(
        events=events,
        duration=duration,
        labels=scores.labels,
        source=source,
        model=model,
        missing=tuple(missing),
        notes=(*others, *(() if events else scores.nearest)),
        unit_weights=to_unit_weights(() if weights_T2L is None else weights_T2L.transpose(1, 2, 0)),
    )

"""The decision rule of parsing (LLP): which classes can be heard and seen in which segments.

Validation, evaluation, the scores of prediction files, timelines and streams all decide here; the
pages' script decides alike, which a test holds on vectors that are decided here.

Axes: T segments of one second, C classes; N is any number of axes before them, or none.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Decoder, Gate, Scores
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, tidy

Probabilities: TypeAlias = NDArray[np.floating[Any]]
PerClass: TypeAlias = float | NDArray[np.floating[Any]]
Threshold: TypeAlias = PerClass | tuple[PerClass, PerClass]
"""One number, an array (C,) with one for each class, or a pair of these for (audio, visual)."""


def llp_masks(
    audio_NTC: Probabilities,
    visual_NTC: Probabilities,
    video_NC: Probabilities,
    *,
    gate: Gate = "global",
    threshold: Threshold = 0.5,
    video_threshold: Threshold = 0.5,
    video_audio: Probabilities | None = None,
    video_visual: Probabilities | None = None,
) -> tuple[Mask, Mask]:
    """Decide which segments are positive: likely by themselves, in a video that has the class.

    A probability equal to its threshold is positive. Thresholds take the precision of the
    probabilities, as in the released code. The defaults are the official inference of HAN and
    MM-Pyramid, `1[P >= 0.5] * 1[video >= 0.5]`.

    Args:
        audio_NTC: probability that a class is heard in a segment.
        visual_NTC: probability that a class is seen in a segment.
        video_NC: probability that a class occurs in the video; or, (N, T, C), around each segment.
        gate: `global` lets `video_NC` decide for both streams (HAN, MM-Pyramid, MGN, VALOR);
            `per_modality` lets each stream's own video-level probability decide (MA, JoMoLD, CMPAE,
            CoLeaF); `none` lets the segments decide alone. Papers print the first two in one
            column, though they are not comparable.
        threshold: for segments.
        video_threshold: for videos.
        video_audio: (N, C) probability that a class is heard in the video, for `per_modality`.
        video_visual: (N, C) probability that a class is seen in the video, for `per_modality`.

    Returns:
        The audio and the visual mask, (N, T, C) each.

    Raises:
        UserError: if shapes disagree, values lie outside 0..1 or the gate lacks its probabilities.

    Example:
        >>> audio_NTC = np.array([[[0.9, 0.8], [0.2, 0.5]]])
        >>> audio_mask_NTC, _ = llp_masks(audio_NTC, audio_NTC, np.array([[0.7, 0.1]]))
        >>> audio_mask_NTC.tolist()
        [[[True, False], [False, False]]]
    """
    if audio_NTC.shape != visual_NTC.shape:
        raise UserError(
            f"expected audio and visual probabilities of one shape (N, T, C), got "
            f"{audio_NTC.shape} and {visual_NTC.shape}"
        )
    gates = _gates(gate, video_NC, video_audio, video_visual)
    limits = zip(_pair(threshold), _pair(video_threshold), strict=True)
    audio, visual = (
        _reaches(name, values, limit) & _is_open(*gated_by, values.shape, video_limit)
        for (name, values), gated_by, (limit, video_limit) in zip(
            {"audio": audio_NTC, "visual": visual_NTC}.items(), gates, limits, strict=True
        )
    )
    return audio, visual


def segment_masks(scores: Scores, decoder: Decoder) -> tuple[Mask, Mask]:
    """Decide on the scores of one video.

    Args:
        scores: probabilities of one video.
        decoder: thresholds, gate and lengths.

    Returns:
        audio (T, C) and visual (T, C), bool.

    Raises:
        UserError: if a probability is outside 0..1, or the gate needs scores that are not there.

    Example:
        >>> prob_TC = np.array([[0.9], [0.2]], np.float32)
        >>> scores = Scores(audio=prob_TC, visual=1 - prob_TC, video=prob_TC[0], labels=("Dog",))
        >>> heard_TC, seen_TC = segment_masks(scores, Decoder())
        >>> heard_TC[:, 0].tolist(), seen_TC[:, 0].tolist()
        ([True, False], [False, True])
    """
    threshold, visual_threshold = decoder.threshold, decoder.visual_threshold
    audio_TC, visual_TC = llp_masks(
        scores.audio,
        scores.visual,
        scores.video if scores.local_video is None else scores.local_video,
        gate=decoder.gate or "global",
        threshold=(threshold, threshold if visual_threshold is None else visual_threshold),
        video_threshold=decoder.video_threshold,
        video_audio=scores.video_audio,
        video_visual=scores.video_visual,
    )
    return (
        tidy(audio_TC, decoder.max_gap, decoder.min_length),
        tidy(visual_TC, decoder.max_gap, decoder.min_length),
    )


def _gates(
    gate: Gate,
    video_NC: Probabilities,
    video_audio: Probabilities | None,
    video_visual: Probabilities | None,
) -> tuple[tuple[str, Probabilities], tuple[str, Probabilities]]:
    """The name and the probabilities of what gates each stream."""
    if gate == "none":
        always = ("video", np.ones_like(video_NC))
        return always, always
    if gate == "global":
        return ("video", video_NC), ("video", video_NC)
    if gate != "per_modality":
        raise UserError(f"expected the gate `none`, `global` or `per_modality`, got `{gate}`")
    if video_audio is None or video_visual is None:
        raise UserError(
            "the gate `per_modality` needs the video-level probabilities of each stream, "
            "`video_audio` and `video_visual`, (N, C) each; give both or use the gate `global`"
        )
    return ("video_audio", video_audio), ("video_visual", video_visual)


def _is_open(
    name: str, video: Probabilities, shape_NTC: tuple[int, ...], threshold: PerClass
) -> Mask:
    """Where a gate lets a class through, (N, 1, C) or (N, T, C)."""
    shape_NC = (*shape_NTC[:-2], *shape_NTC[-1:])
    if len(shape_NTC) < 2 or video.shape not in {shape_NC, shape_NTC}:
        raise UserError(
            f"expected probabilities (N, T, C) of segments and (N, C) of videos, got "
            f"{shape_NTC} and {video.shape}"
        )
    is_open = _reaches(name, video, threshold)
    return is_open if video.shape == shape_NTC else is_open[..., None, :]


def _pair(threshold: Threshold) -> tuple[PerClass, PerClass]:
    if not isinstance(threshold, tuple):
        return threshold, threshold
    num_thresholds = len(threshold)
    if num_thresholds != 2:
        raise UserError(
            f"expected one threshold or a pair for (audio, visual), got {num_thresholds} in a "
            "tuple; one for each class is an array (C,)"
        )
    return threshold


def _reaches(name: str, probabilities: Probabilities, threshold: PerClass) -> Mask:
    if probabilities.dtype.kind != "f":
        raise UserError(
            f"expected floating-point probabilities, got {probabilities.dtype} in `{name}`"
        )
    limit = np.asarray(threshold, dtype=probabilities.dtype)
    if limit.shape not in {(), probabilities.shape[-1:]} or not _within_0_1(limit):
        raise UserError(
            f"expected a threshold within 0..1, or one for each of {probabilities.shape[-1]} "
            f"classes, got {threshold}"
        )
    if not _within_0_1(probabilities):
        raise UserError(
            f"expected probabilities within 0..1 in `{name}`, got other numbers or NaN; apply the "
            "sigmoid to logits first"
        )
    mask: Mask = probabilities >= limit
    return mask


def _within_0_1(values: NDArray[np.floating[Any]]) -> bool:
    # Written so that NaN fails.
    return bool(np.all((values >= 0) & (values <= 1)))

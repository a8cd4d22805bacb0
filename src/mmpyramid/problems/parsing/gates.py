"""Which segments are predicted: probabilities, thresholds and the gate of the video."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.problems.parsing.metrics import Mask

Probabilities: TypeAlias = NDArray[np.floating[Any]]
Gate: TypeAlias = Literal["global", "per_modality"]
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
    probabilities, as in the released code.

    Args:
        audio_NTC: probability that a class is heard in a segment.
        visual_NTC: probability that a class is seen in a segment.
        video_NC: probability that a class occurs in the video.
        gate: `global` lets `video_NC` decide for both streams (HAN, MM-Pyramid, MGN, VALOR);
            `per_modality` lets each stream's own video-level probability decide (MA, JoMoLD, CMPAE,
            CoLeaF). Papers print both in one column, though they are not comparable.
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
    if gate == "global":
        gates = (video_NC, video_NC)
    elif gate != "per_modality":
        raise UserError(f"expected the gate `global` or `per_modality`, got `{gate}`")
    elif video_audio is None or video_visual is None:
        raise UserError(
            "the gate `per_modality` needs the video-level probabilities of each stream, "
            "`video_audio` and `video_visual`, (N, C) each; give both or use the gate `global`"
        )
    else:
        gates = (video_audio, video_visual)
    if audio_NTC.shape != visual_NTC.shape:
        raise UserError(
            f"expected audio and visual probabilities of one shape (N, T, C), got "
            f"{audio_NTC.shape} and {visual_NTC.shape}"
        )
    audio_threshold, visual_threshold = _pair(threshold)
    audio_gate, visual_gate = _pair(video_threshold)
    return (
        _gated(audio_NTC, gates[0], audio_threshold, audio_gate),
        _gated(visual_NTC, gates[1], visual_threshold, visual_gate),
    )


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


def _gated(
    segments_NTC: Probabilities,
    video_NC: Probabilities,
    threshold: PerClass,
    video_threshold: PerClass,
) -> Mask:
    if segments_NTC.ndim != 3 or video_NC.shape != (len(segments_NTC), segments_NTC.shape[-1]):
        raise UserError(
            f"expected probabilities (N, T, C) of segments and (N, C) of videos, got "
            f"{segments_NTC.shape} and {video_NC.shape}"
        )
    open_NC = _reaches(video_NC, video_threshold)
    return _reaches(segments_NTC, threshold) & open_NC[:, None, :]


def _reaches(probabilities: Probabilities, threshold: PerClass) -> Mask:
    if probabilities.dtype.kind != "f":
        raise UserError(f"expected floating-point probabilities, got {probabilities.dtype}")
    limit = np.asarray(threshold, dtype=probabilities.dtype)
    if limit.shape not in {(), probabilities.shape[-1:]} or not _within_0_1(limit):
        raise UserError(
            f"expected a threshold within 0..1, or one for each of {probabilities.shape[-1]} "
            f"classes, got {threshold}"
        )
    if not _within_0_1(probabilities):
        raise UserError(
            "expected probabilities within 0..1, got other numbers or NaN; apply the sigmoid to "
            "logits first"
        )
    mask: Mask = probabilities >= limit
    return mask


def _within_0_1(values: NDArray[np.floating[Any]]) -> bool:
    # Written so that NaN fails.
    return bool(np.all((values >= 0) & (values <= 1)))

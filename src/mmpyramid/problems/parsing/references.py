"""What a network has to beat: predictions that need no network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.problems.parsing.metrics import Mask, parsing_report
from mmpyramid.problems.parsing.report import ParsingReport


def nothing_predicted(
    truth_audio: Mask, truth_visual: Mask, *, mask_NT: Mask | None = None
) -> ParsingReport:
    """The score of an empty prediction; above 0, since an empty video scores 1.

    Args:
        truth_audio: (N, T, C) what is heard.
        truth_visual: (N, T, C) what is seen.
        mask_NT: True where a segment exists; without it all do.
    """
    nothing = np.zeros_like(truth_audio)
    return parsing_report(nothing, nothing, truth_audio, truth_visual, mask_NT=mask_NT)


def weak_labels_everywhere(
    weak_NC: NDArray[Any], truth_audio: Mask, truth_visual: Mask, *, mask_NT: Mask | None = None
) -> ParsingReport:
    """The score of a perfect tagger of whole videos that knows neither time nor modality.

    Args:
        weak_NC: the true labels of each video, 0 and 1 or bool, predicted for all its segments in
            both streams.
        truth_audio: (N, T, C) what is heard.
        truth_visual: (N, T, C) what is seen.
        mask_NT: True where a segment exists; without it all do.

    Raises:
        UserError: if the weak labels are of other videos or classes.
    """
    N, _, C = truth_audio.shape
    if weak_NC.shape != (N, C):
        raise UserError(f"expected weak labels of shape {(N, C)}, got {weak_NC.shape}")
    everywhere = np.broadcast_to(weak_NC[:, None, :], truth_audio.shape)
    return parsing_report(everywhere, everywhere, truth_audio, truth_visual, mask_NT=mask_NT)

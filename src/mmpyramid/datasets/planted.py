"""How right modality-aware labels are, where the truth is known: in simulated corpora.

Shape letters: N videos, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.datasets.llp import Annotations
from mmpyramid.datasets.synthetic.simulated import planted_truth
from mmpyramid.store.source import MARKER_FILE


@dataclass(frozen=True, kw_only=True, slots=True)
class Removals:
    """Labels removed from one modality.

    Attributes:
        removed: how many.
        right: how many of these classes really do not occur in the modality.
        wrong_labels: how many labels should have been removed.
    """

    removed: int
    right: int
    wrong_labels: int

    def __str__(self) -> str:
        precision = f"{100 * self.right / self.removed:.1f} %" if self.removed else "none"
        recall = f"{100 * self.right / self.wrong_labels:.1f} %" if self.wrong_labels else "none"
        return (
            f"{self.removed} labels removed, {precision} of them rightly; "
            f"{recall} of the {self.wrong_labels} wrong labels found"
        )


def planted_modalities(folder: Path, annotations: Annotations) -> NDArray[np.bool_]:
    """Which classes were planted in which modality, (N, M, C), anywhere in the video.

    Args:
        folder: a corpus of simulated features.
        annotations: one of its splits.
    """
    seed = json.loads((folder / MARKER_FILE).read_text(encoding="utf-8"))["seed"]
    truth = [planted_truth(annotations, row, seed) for row in range(len(annotations))]
    return np.array([[heard.any(0), seen.any(0)] for heard, seen in truth])


def judge_removals(
    weak_NC: Array, modality_NMC: Array, planted_NMC: NDArray[np.bool_]
) -> tuple[Removals, Removals]:
    """Compare removed labels with what was planted, for audio and for visual.

    Args:
        weak_NC: the labels before.
        modality_NMC: the labels after.
        planted_NMC: the truth.
    """
    weak_NMC = np.broadcast_to(weak_NC[:, None] > 0, planted_NMC.shape)
    removed_NMC, wrong_NMC = weak_NMC & (modality_NMC == 0), weak_NMC & ~planted_NMC

    def judge(modality: int) -> Removals:
        removed, wrong = removed_NMC[:, modality], wrong_NMC[:, modality]
        return Removals(
            removed=int(removed.sum()),
            right=int((removed & wrong).sum()),
            wrong_labels=int(wrong.sum()),
        )

    return judge(0), judge(1)

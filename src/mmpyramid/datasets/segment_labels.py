"""Pseudo labels of training segments: what a teacher hears and sees, second by second.

They are files of NumPy, one for each video and modality, (T, C) in the order of the class names:

- `DIR/audio/<id>.npy` and `DIR/visual/<id>.npy`;
- or as VALOR distributes them, `DIR/CLAP/segment_pseudo_labels/<id>.npy` for what is heard and
  `DIR/CLIP/segment_pseudo_labels/<id>.npy` for what is seen.

Whole numbers and booleans are labels, 0 or 1. Other numbers are margins: a teacher's logit less the
threshold of the class, so that what is above 0 counts. Margins that are stored let one choose
temperature and mask without asking the teacher again. NaN means that the teacher cannot perceive
the class; it then has no say. Classes that the weak label of a video lacks are 0, whatever a
teacher says (Lai et al., "Modality-Independent Teachers Meet Weakly-Supervised Audio-Visual Event
Parser", NeurIPS 2023).

Shape letters: N videos, B batch, T segments, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.text import shorten

LAYOUTS = (
    ("audio", "visual"),
    ("CLAP/segment_pseudo_labels", "CLIP/segment_pseudo_labels"),
)
"""Folders of what is heard and what is seen."""
LARGEST_FILE = 2**28
"""Bytes; ten seconds of 25 classes take 2 kB."""


@dataclass(frozen=True, kw_only=True)
class SegmentLabels:
    """Which pseudo labels, and how they are taken.

    Attributes:
        folder: where they are.
        soft: take `sigmoid(margin / temperature)`, not whether the margin is above 0 (UWAV, CVPR
            2025, Eq. 12).
        temperature: of soft labels; above 1 they are softer.
        balance: W of UWAV's class balance: in each modality a class of the video counts W times the
            share of zeros among all labels, and every other class the share of ones. 0 lets all
            count 1.

    Raises:
        UserError: if a value makes no sense.
    """

    folder: Path
    soft: bool = False
    temperature: float = 1.0
    balance: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UserError(f"the temperature should be above 0, got {self.temperature}")
        if not 0 <= self.balance < math.inf:
            raise UserError(f"the class balance should be 0 or more, got {self.balance}")


class SegmentTargets:
    """The pseudo labels of the N training videos of a corpus.

    Args:
        labels: where they are, and how they are taken.
        ids: of the N videos.
        weak_NC: 1 where a class occurs in a video.

    Attributes:
        digest: of all that was read.
        weight_2MC: what the classes that a video lacks (0) and has (1) count in each modality.

    Raises:
        UserError: one report of all files that are missing, damaged or of a wrong shape.

    Example:
        >>> labels = SegmentLabels(folder=Path("labels"))
        >>> SegmentTargets(labels, train.ids, train.weak).weight_2MC.shape  # doctest: +SKIP
        (2, 2, 25)
    """

    def __init__(self, labels: SegmentLabels, ids: Sequence[str], weak_NC: Array) -> None:
        self._labels, self._weak_NC = labels, weak_NC
        self._margins = _read(labels.folder, ids, weak_NC.shape[1])
        if labels.soft and any(margin.dtype == np.int8 for margin in self._margins):
            raise UserError(
                f"soft labels are made from margins, but {labels.folder} has labels of 0 and 1; "
                "store the teacher's logits less the thresholds, or take them as they are (for "
                "UWAV's other parts, `--objective.no-soft`)"
            )
        self.weight_2MC = self._weights(weak_NC.shape[1])
        digest = hashlib.sha256()
        for margin in self._margins:
            digest.update(margin.tobytes())
        self.digest = digest.hexdigest()

    def added_to(self, batch: Batch, rows: Sequence[int]) -> Batch:
        """The batch of some rows with their pseudo labels and what those count.

        Raises:
            UserError: if a video has more segments than its pseudo labels.
        """
        length_B = batch.mask_BT.sum(1).tolist()
        shape = (*batch.mask_BT.shape, 2, self._weak_NC.shape[1])
        pseudo_BTMC, weight_BTMC = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for place, (row, length) in enumerate(zip(rows, length_B, strict=True)):
            margin_TMC = self._margins[row][:length]
            if len(margin_TMC) < length:
                raise UserError(
                    f"expected pseudo labels of {length} segments in {self._labels.folder}, got "
                    f"{len(margin_TMC)} of a video; make them anew from the same videos"
                )
            weak_C = self._weak_NC[row] > 0
            pseudo_BTMC[place, :length] = self._taken(margin_TMC) * weak_C
            weight_MC = np.where(weak_C, self.weight_2MC[1], self.weight_2MC[0])
            weight_BTMC[place, :length] = np.where(_is_known(margin_TMC), weight_MC, 0)
        import torch

        return replace(
            batch,
            pseudo_BTMC=torch.from_numpy(pseudo_BTMC),
            pseudo_weight_BTMC=torch.from_numpy(weight_BTMC),
        )

    def _taken(self, margin_TMC: NDArray[Any]) -> Array:
        if not self._labels.soft:
            hard_TMC: Array = (margin_TMC > 0).astype(np.float32)
            return hard_TMC
        scaled_TMC = np.nan_to_num(margin_TMC.astype(np.float32) / self._labels.temperature)
        soft_TMC: Array = 1 / (1 + np.exp(-scaled_TMC.clip(-80, 80)))
        return soft_TMC

    def _weights(self, num_classes: int) -> Array:
        ones_2MC = np.ones((2, 2, num_classes), np.float32)
        if not self._labels.balance:
            return ones_2MC
        pairs = zip(self._margins, self._weak_NC, strict=True)
        found_M = sum(((m > 0) * (weak_C > 0)).sum((0, 2)) for m, weak_C in pairs)
        share_M1 = (found_M / sum(len(m) * num_classes for m in self._margins))[:, None]
        weight_2M1 = np.stack((share_M1, self._labels.balance * (1 - share_M1)))
        weight_2MC: Array = (ones_2MC * weight_2M1).astype(np.float32)
        return weight_2MC


def _is_known(margin_TMC: NDArray[Any]) -> NDArray[np.bool_]:
    return ~np.isnan(margin_TMC) if margin_TMC.dtype.kind == "f" else np.ones_like(margin_TMC, bool)


def _read(folder: Path, ids: Sequence[str], num_classes: int) -> list[NDArray[Any]]:
    """The arrays (T, M, C) of all videos: `int8` labels or `float16` margins."""
    sides = next((pair for pair in LAYOUTS if all((folder / s).is_dir() for s in pair)), None)
    if sides is None:
        known = " or ".join(f"`{heard}` and `{seen}`" for heard, seen in LAYOUTS)
        raise UserError(
            f"expected the folders {known} with pseudo labels in {folder}, got neither pair; name "
            "the folder that holds them"
        )
    problems = Problems()
    margins = []
    for video_id in ids:
        both = [_read_one(folder / s / f"{video_id}.npy", num_classes, problems) for s in sides]
        if any(one is None for one in both):
            continue
        heard_TC, seen_TC = both[0], both[1]
        assert heard_TC is not None
        assert seen_TC is not None
        if len(heard_TC) != len(seen_TC):
            lengths = f"{len(heard_TC)} and {len(seen_TC)} segments of {video_id}"
            problems.add("videos whose two files differ in length", lengths)
            continue
        margins.append(np.stack((heard_TC, seen_TC), axis=1))
    problems.raise_if_any(
        f"expected pseudo labels of {len(ids)} training videos in {folder}, (T, {num_classes}) "
        "each",
        "Make them for all videos of the training split, in the order of its class names.",
    )
    return margins


def _read_one(path: Path, num_classes: int, problems: Problems) -> NDArray[Any] | None:
    try:
        if path.stat().st_size > LARGEST_FILE:
            problems.add("files that are too large", path.name)
            return None
        values: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        problems.add("missing files", f"{path.parent.name}/{path.name}")
        return None
    except (OSError, ValueError, EOFError) as error:
        problems.add("files that cannot be read", f"{path.name} ({shorten(str(error))})")
        return None
    kind = values.dtype.kind if isinstance(values, np.ndarray) else "O"
    if kind not in "buif" or values.ndim != 2 or values.shape[1] != num_classes:
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else "an archive"
        problems.add("files that hold something else", f"{found} in {path.name}")
        return None
    if kind != "f" and not ((values == 0) | (values == 1)).all():
        problems.add("labels other than 0 and 1", path.name)
        return None
    with np.errstate(over="ignore"):
        return values.astype(np.float16 if kind == "f" else np.int8)

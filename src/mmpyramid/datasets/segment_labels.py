"""Pseudo labels of training segments: what a teacher hears and sees, second by second.

They are files of NumPy, one for each video and modality, (T, C) in the order of the class names:

- `DIR/audio/<id>.npy` and `DIR/visual/<id>.npy`;
- or as VALOR distributes them, `DIR/CLAP/segment_pseudo_labels/<id>.npy` for what is heard and
  `DIR/CLIP/segment_pseudo_labels/<id>.npy` for what is seen.

Whole numbers and booleans are labels, 0 or 1. Other numbers are margins: a teacher's logit less the
threshold of the class, so that what is above 0 counts. Where there is a `DIR/thresholds.csv`, a
table of `label`, `audio` and `visual`, the files have logits, and it says from where on they count.
So thresholds, temperature and mask can be chosen without asking the teacher again. NaN means that
the teacher cannot perceive the class; it then has no say. Classes that the weak label of a video
lacks are 0, whatever a teacher says (Lai et al., "Modality-Independent Teachers Meet
Weakly-Supervised Audio-Visual Event Parser", NeurIPS 2023).

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
from mmpyramid.core.text import read_table, real_number, shorten
from mmpyramid.store.npy import read_array
from mmpyramid.store.source import FeatureError

LAYOUTS = (
    ("audio", "visual"),
    ("CLAP/segment_pseudo_labels", "CLIP/segment_pseudo_labels"),
)
"""Folders of what is heard and what is seen."""
THRESHOLDS = "thresholds.csv"
LARGEST_FILE = 2**28
"""Bytes; ten seconds of 25 classes take 2 kB."""


@dataclass(frozen=True, kw_only=True)
class Softening:
    """Where labels of what is seen are uncertain, and what then becomes of them (LSLD).

    LSLD (Fan et al., "Revisit Weakly-Supervised Audio-Visual Video Parsing from the Language
    Perspective", NeurIPS 2023) compares cosines of segments and class names. Here they are made
    from margins: `offset + slope * margin`.

    Attributes:
        offset: the cosine of a segment whose margin is 0.
        slope: how much a margin of 1 adds to it.
        ones: what the cosine of an uncertain 1 is multiplied by.
        zeros: what the cosine of an uncertain 0 is multiplied by.

    Raises:
        UserError: if a value makes no sense.
    """

    offset: float = 0.24
    slope: float = 0.01
    ones: float = 4.0
    zeros: float = 0.4

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in (self.slope, self.ones, self.zeros)):
            raise UserError(
                "slope and factors of softened labels should be above 0, got "
                f"{self.slope}, {self.ones} and {self.zeros}"
            )
        if not math.isfinite(self.offset):
            raise UserError(f"the offset of softened labels should be finite, got {self.offset}")

    def cosine(self, margin_TC: NDArray[Any]) -> Array:
        """The cosines that margins stand for, (T, C) float32."""
        cosine_TC: Array = self.offset + self.slope * margin_TC.astype(np.float32)
        return cosine_TC


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
        softening: how uncertain labels of what is seen become soft; None leaves them hard.

    Raises:
        UserError: if a value makes no sense.
    """

    folder: Path
    soft: bool = False
    temperature: float = 1.0
    balance: float = 0.0
    softening: Softening | None = None

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
        class_names: the C class names.

    Attributes:
        digest: of all that was read.
        weight_2MC: what the classes that a video lacks (0) and has (1) count in each modality.

    Raises:
        UserError: one report of all files that are missing, damaged or of a wrong shape.

    Example:
        >>> labels = SegmentLabels(folder=Path("labels"))
        >>> SegmentTargets(labels, train.ids, train.weak, names).weight_2MC.shape  # doctest: +SKIP
        (2, 2, 25)
    """

    def __init__(
        self,
        labels: SegmentLabels,
        ids: Sequence[str],
        weak_NC: Array,
        class_names: Sequence[str],
    ) -> None:
        self._labels, self._ids, self._weak_NC = labels, tuple(ids), weak_NC
        self._margins = _read(labels.folder, ids, class_names)
        asks_margins = labels.soft or labels.softening
        if asks_margins and any(margin.dtype == np.int8 for margin in self._margins):
            raise UserError(
                f"soft labels are made from margins, but {labels.folder} has labels of 0 and 1; "
                "store the teacher's logits less the thresholds, or take them as they are (for "
                "UWAV's other parts, `--objective.no-soft`)"
            )
        self._overlap = self._find_overlap(labels.softening) if labels.softening else None
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
                    f"expected pseudo labels of {length} segments of {self._ids[row]} in "
                    f"{self._labels.folder}, got {len(margin_TMC)}; make them again from the same "
                    "videos"
                )
            weak_C = self._weak_NC[row] > 0
            pseudo_BTMC[place, :length] = self._taken(margin_TMC) * weak_C
            if self._labels.softening and self._overlap:
                softening, seen_TC = self._labels.softening, pseudo_BTMC[place, :length, 1]
                cosine_TC = softening.cosine(margin_TMC[:, 1])
                seen_TC[:] = soften(seen_TC, cosine_TC, *self._overlap, softening)
            weight_MC = np.where(weak_C, self.weight_2MC[1], self.weight_2MC[0])
            weight_BTMC[place, :length] = np.where(np.isnan(margin_TMC), 0, weight_MC)
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

    def _find_overlap(self, softening: Softening) -> tuple[Array, Array]:
        """Of each class the lowest cosine of a segment that has it, and the highest of the others.

        The others are those of all videos, with the class or without.
        """
        num_classes = self._weak_NC.shape[1]
        lowest_C = np.full(num_classes, np.inf, np.float32)
        highest_C = -lowest_C
        for margin_TMC, weak_C in zip(self._margins, self._weak_NC, strict=True):
            cosine_TC = softening.cosine(margin_TMC[:, 1])
            has_TC = (margin_TMC[:, 1] > 0) & (weak_C > 0)
            lowest_C = np.fmin(lowest_C, np.where(has_TC, cosine_TC, np.inf).min(0))
            lacks_TC = ~has_TC & ~np.isnan(cosine_TC)
            highest_C = np.fmax(highest_C, np.where(lacks_TC, cosine_TC, -np.inf).max(0))
        return lowest_C, highest_C

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


def soften(
    label_TC: Array, cosine_TC: Array, lowest_C: Array, highest_C: Array, softening: Softening
) -> Array:
    """Labels of which those are soft that cosines do not tell apart (LSLD), (T, C).

    A 1 below the highest cosine of a 0 is uncertain, and so is a 0 above the lowest of a 1. What
    would not lie within 0..1 stays as it is. Also classes that the weak label lacks can be
    uncertain.

    Args:
        label_TC: 0 or 1.
        cosine_TC: of each segment with each class; NaN stays as it is.
        lowest_C: the lowest cosine of a 1 in all videos.
        highest_C: the highest cosine of a 0 in all videos.
        softening: by what cosines are multiplied.

    Example:
        >>> cosine = np.array([[0.3], [0.2], [0.21], [0.1]])
        >>> label = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> soft = soften(label, cosine, np.array([0.2]), np.array([0.21]), Softening())
        >>> soft.flatten().round(3).tolist()
        [1.0, 0.8, 0.084, 0.0]
    """
    soft_TC = cosine_TC * np.where(label_TC > 0, softening.ones, softening.zeros)
    is_uncertain_TC = np.where(label_TC > 0, cosine_TC < highest_C, cosine_TC > lowest_C)
    is_soft_TC = is_uncertain_TC & (soft_TC > 0) & (soft_TC < 1)
    softened_TC: Array = np.where(is_soft_TC, soft_TC, label_TC)
    return softened_TC


def _read(folder: Path, ids: Sequence[str], class_names: Sequence[str]) -> list[NDArray[Any]]:
    """The arrays (T, M, C) of all videos: `int8` labels or `float16` margins."""
    num_classes = len(class_names)
    sides = next((pair for pair in LAYOUTS if all((folder / s).is_dir() for s in pair)), None)
    if sides is None:
        known = " or ".join(f"`{heard}` and `{seen}`" for heard, seen in LAYOUTS)
        raise UserError(
            f"expected the folders {known} with pseudo labels in {folder}, got neither pair; name "
            "the folder that holds them"
        )
    thresholds = folder / THRESHOLDS
    above_MC = _read_thresholds(thresholds, class_names) if thresholds.exists() else None
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
        values_TMC = np.stack((heard_TC, seen_TC), axis=1)
        if above_MC is not None:
            values_TMC = _less(values_TMC, above_MC, folder)
        if values_TMC.dtype.kind == "f":
            with np.errstate(over="ignore"):
                values_TMC = values_TMC.astype(np.float16)
        margins.append(values_TMC)
    problems.raise_if_any(
        f"expected pseudo labels of {len(ids)} training videos in {folder}, (T, {num_classes}) "
        "each",
        "Make them for all videos of the training split, in the order of its class names.",
    )
    return margins


def _read_one(path: Path, num_classes: int, problems: Problems) -> NDArray[Any] | None:
    """One array (T, C), `int8` or `float32`; None if it is among the problems."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            problems.add("files that are too large", path.name)
            return None
        values = read_array(path)
    except FileNotFoundError:
        problems.add("missing files", f"{path.parent.name}/{path.name}")
        return None
    except (OSError, FeatureError) as error:
        problems.add("files that cannot be read", f"{path.name} ({shorten(str(error), 300)})")
        return None
    kind = values.dtype.kind
    if kind not in "buif" or values.ndim != 2 or values.shape[1] != num_classes:
        found = f"{values.dtype} {values.shape} in {path.name}"
        problems.add("files that hold something else", found)
        return None
    if kind != "f" and not ((values == 0) | (values == 1)).all():
        problems.add("labels other than 0 and 1", path.name)
        return None
    with np.errstate(over="ignore"):
        return values.astype(np.float32 if kind == "f" else np.int8)


def _read_thresholds(path: Path, class_names: Sequence[str]) -> Array:
    """The logits from which on a class is heard and seen, (M, C)."""
    _, rows = read_table(path, ",", ("label", "audio", "visual"))
    above: dict[str, tuple[float, float]] = {}
    for line, cells in rows:
        heard, seen = real_number(cells["audio"]), real_number(cells["visual"])
        if heard is None or seen is None or not math.isfinite(heard + seen):
            raise UserError(
                f"{path}, line {line}: expected two finite numbers, got "
                f"{shorten(cells['audio'])!r} and {shorten(cells['visual'])!r}"
            )
        above[cells["label"]] = heard, seen
    if list(above) != list(class_names):
        raise UserError(
            f"expected in {path} a line for each of the {len(class_names)} classes in their order "
            f"({class_names[0]} and so on), got {len(above)}: {shorten(', '.join(above))}"
        )
    return np.array([*above.values()], np.float32).T


def _less(logit_TMC: NDArray[Any], above_MC: Array, folder: Path) -> NDArray[Any]:
    if logit_TMC.dtype.kind != "f":
        raise UserError(
            f"expected logits beside {THRESHOLDS} in {folder}, got labels of 0 and 1; remove it, "
            "or write logits"
        )
    margin_TMC: NDArray[Any] = logit_TMC - above_MC
    return margin_TMC

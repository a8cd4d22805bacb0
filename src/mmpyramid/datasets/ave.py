"""Audio-visual event localization (AVE): what is annotated in the clips of one split.

Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018. A clip of
ten seconds has one event of one of 28 categories, heard and seen at once; the rest is background,
class 28. All targets are made from `Annotations.txt`; the label files that are distributed beside
it hold the same, which `mmpyramid.datasets.ave_labels.verify_ave` checks.

Shape letters: N clips, T segments, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.datasets.annotation_layout import refuse_other_layout
from mmpyramid.datasets.ave_files import (
    LABELS_FILE,
    NUM_SEGMENTS,
    WITHOUT_BACKGROUND_CLIPS,
    EventLines,
    Index,
    Split,
    Supervision,
    annotation_folder,
    count_background_clips,
    read_labels,
    read_lines,
    read_order,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class EventAnnotations:
    """Labels of the N clips of one split, with C classes and T segments of one second.

    Attributes:
        ids: the N YouTube ids; one may occur again with another category. Clips of the noisy
            set, whose ids were lost, are called `noisy_<row>`.
        rows: (N,) where each clip is in the feature files.
        labels: the C class names, without background.
        num_segments: T.
        category: (N,) class of the clip's event, C for clips of the noisy set.
        segment: (N, T) class of each segment, C where there is background.
        weak: (N, C + 1) float32, the video-level target.
        noisy: (N,) bool, True where `rows` is about the files of the noisy set.

    Raises:
        UserError: if the shapes do not agree.
    """

    ids: tuple[str, ...]
    rows: Index
    labels: tuple[str, ...]
    num_segments: int
    category: Index
    segment: Index
    weak: Array
    noisy: NDArray[np.bool_]

    def __post_init__(self) -> None:
        N = len(self.ids)
        shapes = dict.fromkeys(("rows", "category", "noisy"), (N,))
        expected: dict[str, tuple[int, ...]] = {
            **shapes,
            "segment": (N, self.num_segments),
            "weak": (N, self.background + 1),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise UserError(
                    f"annotations of {N} clips, {self.num_segments} segments and "
                    f"{len(self.labels)} labels need `{name}` of shape {shape}, got {value.shape}"
                )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def background(self) -> int:
        """C, the class of segments where no event happens."""
        return len(self.labels)

    @property
    def is_subset(self) -> NDArray[np.bool_]:
        """(N,) True where the event is shorter than the clip.

        The paper's Table 1 evaluates on those clips alone as well; the test split has 141 of them.
        """
        short: NDArray[np.bool_] = (self.segment == self.background).any(axis=1)
        return short


def read_ave(
    folder: Path | str,
    split: Split,
    supervision: Supervision = "full",
    *,
    background_clips: bool = True,
    labels: Sequence[str] | None = None,
    num_segments: int = NUM_SEGMENTS,
) -> EventAnnotations:
    """Read one split of an annotation folder in AVE's layout, in the order of its order file.

    Supervision matters for the training split only; everything else is read as `full`.

    - `full`: `weak` is one-hot of the category.
    - `weak`: the same, which is what `mil_labels.h5` says: background is never a target, not even
      in clips that hold some. Then come the background clips of the noisy set, whose target is
      background alone.
    - `proportion`: `weak` is the share of the clip that the event lasts, and the share of
      background. This is `prob_label.h5` of PSP (Zhou et al., CVPR 2021), which tells more than
      whether an event occurs; results with it are not comparable with `weak` ones. The background
      clips come here as well.

    Args:
        folder: the folder with `Annotations.txt` and `{train,val,test}_order.h5`, or one whose
            `data/` holds them. Weak training needs `labels_noisy.h5` beside them.
        split: `train`, `val` or `test`.
        supervision: what the training targets tell.
        background_clips: whether weak training has the clips of the noisy set.
        labels: the class names in order; by default the lines of `labels.txt` in the folder, and
            the 28 classes of AVE, in the order of their first appearance, where there is none.
        num_segments: T, the length of every clip in seconds.

    Raises:
        UserError: if the folder is in the layout of LLP; one report of all missing and unreadable
            files, malformed lines, unknown categories, times that are not whole seconds of the
            clip, and wrong order entries.

    Example:
        >>> annotations = read_ave("AVE-ECCV18", "test")  # doctest: +SKIP
        >>> annotations.segment.shape, annotations.is_subset.sum()  # doctest: +SKIP
        ((402, 10), 141)
    """
    refuse_other_layout(Path(folder), "AVE")
    folder, problems = annotation_folder(folder), Problems()
    classes = tuple(labels) if labels is not None else read_labels(folder)
    lines = read_lines(folder, classes, num_segments, problems)
    rows = read_order(folder, split, len(lines.ids), problems)
    if split != "train":
        supervision = "full"
    with_noisy = background_clips and supervision != "full"
    num_noisy = count_background_clips(folder, len(classes), problems) if with_noisy else 0
    advice = WITHOUT_BACKGROUND_CLIPS if with_noisy else ""
    problems.raise_if_any(
        f"expected the annotations of AVE's {split} split in {folder}",
        f"Mend the files, or list your own classes in {folder / LABELS_FILE}, one per line."
        + advice,
    )
    return _assemble(lines, rows, lines.targets(supervision), num_noisy)


def _assemble(lines: EventLines, rows: Index, weak_LC: Array, num_noisy: int) -> EventAnnotations:
    """The clips at `rows`, then those of the noisy set."""
    background = len(lines.labels)
    target_C = np.eye(1, background + 1, background, dtype=np.float32)
    noisy = np.arange(num_noisy)
    return EventAnnotations(
        ids=(*(lines.ids[row] for row in rows), *(f"noisy_{row}" for row in noisy)),
        rows=np.concatenate([rows, noisy]),
        labels=lines.labels,
        num_segments=lines.num_segments,
        category=np.concatenate([lines.category_L[rows], np.full(num_noisy, background)]),
        segment=np.concatenate(
            [lines.segments()[rows], np.full((num_noisy, lines.num_segments), background)]
        ),
        weak=np.concatenate([weak_LC[rows], target_C.repeat(num_noisy, axis=0)]),
        noisy=np.arange(len(rows) + num_noisy) >= len(rows),
    )

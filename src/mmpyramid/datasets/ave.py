"""Audio-visual event localization (AVE): what is annotated in a split, and its data set.

Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018. A clip of
ten seconds has one event of one of 28 categories, heard and seen at once; the rest is background,
class 28. All targets are made from `Annotations.txt`; the label files that are distributed beside
it hold the same, which `mmpyramid.datasets.ave_files.verify_ave` checks.

Shape letters: N clips, B batch, T segments, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Modality
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.core.runs import Mask
from mmpyramid.datasets.ave_files import (
    ANNOTATIONS_FILE,
    NUM_SEGMENTS,
    WITHOUT_BACKGROUND_CLIPS,
    AveFolder,
    ClipReader,
    EventLines,
    Index,
    count_background_clips,
    read_lines,
    read_order,
    verify_ave,
)
from mmpyramid.datasets.base import (
    LABELS_FILE,
    Dataset,
    Kind,
    Layout,
    Split,
    Supervision,
    check_layout,
    digest_of,
    folder_of_files,
    read_labels,
    register,
)
from mmpyramid.datasets.features import ById, open_source
from mmpyramid.store.source import FeatureSource


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


def read_ave(
    folder: Path | str,
    split: Split,
    supervision: Kind = "full",
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
        >>> annotations.segment.shape  # doctest: +SKIP
        (402, 10)
    """
    check_layout(Path(folder), "AVE")
    folder, problems = folder_of_files(Path(folder), (ANNOTATIONS_FILE,)), Problems()
    classes = tuple(labels) if labels is not None else read_labels(folder, AVE_LABELS)
    lines = read_lines(folder, classes, num_segments, problems)
    rows = read_order(folder, split, len(lines.ids), problems)
    if split != "train":
        supervision = "full"
    with_noisy = background_clips and supervision != "full"
    num_noisy = count_background_clips(folder, len(classes), problems) if with_noisy else 0
    advice = WITHOUT_BACKGROUND_CLIPS if with_noisy else ""
    problems.raise_if_any(
        f"expected the annotations of AVE's {split} split in {folder}",
        "`mmpyramid info --data DIR` says what a folder lacks, and docs/data.md where to get it; "
        f"list your own classes in {folder / LABELS_FILE}, one per line." + advice,
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


class AVEDataset(Dataset):
    """One split of an event localization corpus: batches have `weak_BC` and `segment_BT`.

    Args:
        annotations: the clips and their labels.
        source: the published files or another source of features; None opens the annotations alone.
        streams: what the network reads.

    Raises:
        UserError: if features are missing, damaged, or of other streams or shapes.

    Example:
        >>> streams = Streams(audio={"vggish": 128}, visual={"vgg19": 512})
        >>> known = read_ave("AVE-ECCV18", "test")  # doctest: +SKIP
        >>> test = AVEDataset(known, AveFolder("AVE-ECCV18"), streams)  # doctest: +SKIP
        >>> test.batch([0, 7]).streams["vgg19"].shape  # doctest: +SKIP
        torch.Size([2, 10, 7, 7, 512])
    """

    def __init__(
        self,
        annotations: EventAnnotations,
        source: AveFolder | FeatureSource | None = None,
        streams: Streams | None = None,
    ) -> None:
        self.annotations = annotations
        self._clips: dict[str, list[int]] = {}
        for clip, video_id in enumerate(annotations.ids):
            self._clips.setdefault(video_id, []).append(clip)
        self.labels, self.ids = annotations.labels, tuple(self._clips)
        self.num_segments = annotations.num_segments
        if source is not None and streams is not None:
            self.reader = _reader(annotations, source, streams)

    @classmethod
    def open(
        cls,
        data: Path,
        split: Split,
        streams: Streams | None = None,
        *,
        features: Path | None = None,
        supervision: Supervision,
    ) -> AVEDataset:
        """Open a split; see `mmpyramid.datasets.open_dataset`."""
        annotations = read_ave(
            data, split, supervision.kind, background_clips=supervision.background_clips
        )
        has_source = streams is not None and len(annotations)
        return cls(annotations, open_events(data, features) if has_source else None, streams)

    def __len__(self) -> int:
        return len(self.annotations)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Features and labels of some clips."""
        import torch

        index = np.asarray(rows)
        return replace(
            self.features.batch(rows),
            weak_BC=torch.from_numpy(self.annotations.weak[index]),
            segment_BT=torch.from_numpy(self.annotations.segment[index]),
        )

    @property
    def weak(self) -> Array:
        """(N, C + 1) float32, the video-level target; background comes last."""
        return self.annotations.weak

    @property
    def masks(self) -> tuple[Mask, Mask]:
        """Where the events are, (N, T, C), twice: they are heard and seen at once."""
        mask_NTC: Mask = self.annotations.segment[..., None] == np.arange(len(self.labels))
        return mask_NTC, mask_NTC

    def truth(self, video_id: str) -> Mapping[Modality, Mask]:
        """Where the events of all clips of a video are."""
        clips = self._clips[video_id]
        classes = np.arange(len(self.labels))
        mask_TC: Mask = (self.annotations.segment[clips][..., None] == classes).any(axis=0)
        return {Modality.AUDIO_VISUAL: mask_TC}

    def digest(self) -> dict[str, str]:
        """Of all annotations, and of the features of the first clip."""
        return {
            "annotations": digest_of(vars(self.annotations)),
            "features": digest_of(self.item(self.ids[0])),
        }

    def describe(self) -> str:
        """The number of clips and classes."""
        return f"{len(self)} clips of {len(self.labels)} classes in the layout of AVE"


def open_events(data: Path, features: Path | None = None) -> AveFolder | FeatureSource:
    """Find the features of an event localization corpus.

    Args:
        data: the corpus folder: the published feature files beside the annotations, or `features/`
            (a store written by `mmpyramid extract`).
        features: such files, or a store, elsewhere.

    Raises:
        UserError: if there is neither.
    """
    folder = data if features is None else features
    return AveFolder(folder) if AveFolder.is_published(folder) else open_source(data, features)


def _reader(
    annotations: EventAnnotations, source: AveFolder | FeatureSource, streams: Streams
) -> ClipReader | ById:
    rows, noisy = annotations.rows, annotations.noisy
    if isinstance(source, AveFolder):
        return ClipReader(source, annotations.ids, streams, rows, noisy, annotations.num_segments)
    if noisy.any():
        raise UserError(
            f"expected clips whose features can be found by id, but {noisy.sum()} are "
            "background clips of the noisy set, of which only the published features remain."
            f"{WITHOUT_BACKGROUND_CLIPS}"
        )
    return ById(source, annotations.ids, streams, annotations.num_segments)


register(
    Layout(
        name="AVE",
        files=(ANNOTATIONS_FILE,),
        open=AVEDataset.open,
        problem="localization",
        features=open_events,
        verify=verify_ave,
    )
)

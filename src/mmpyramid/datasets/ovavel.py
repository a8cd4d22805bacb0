"""OV-AVEBench: audio-visual event localization with classes that training does not show.

Source: Zhou et al., "Towards Open-Vocabulary Audio-Visual Event Localization", CVPR 2025. A clip of
ten seconds has one category; each second is that category, where it is heard and seen, or
background. Training has 46 categories, validation and test have these (closed) and 21 more (open).
All splits are read with all 67 in the order of their file, background behind them, so that one
network can be measured on all; the released code counts 46 in training.

Of the two files of annotations in the repository the released one is read: twelve clips differ.

Shape letters: N clips, T segments, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from mmpyramid.core.batch import Streams
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import is_file_name
from mmpyramid.core.runs import Mask
from mmpyramid.core.text import LARGEST_FILE, from_json, read_json, read_list, read_table, shorten
from mmpyramid.datasets.ave import AVEDataset, EventAnnotations
from mmpyramid.datasets.base import Layout, Split, Supervision, folder_of_files, register
from mmpyramid.datasets.features import open_source
from mmpyramid.store.source import FeatureSource

ANNOTATIONS_FILE = "released_ovavel_dataset_anno.json"
SPLITS_FILE = "ovave_dataset_meta.csv"
CATEGORIES_FILE = "ovave_total_close_open_categories.csv"
PLACES = ("", "meta_anno_files/")
BACKGROUND = "other"
"""The last line of the categories."""
NUM_SEGMENTS = 10
KINDS = ("close", "open")


class OVAVELClip(msgspec.Struct):
    """A clip in the file of annotations; its label is a list of 0 and 1, written as text."""

    category: str
    label: str


def read_ovavel(folder: Path | str, split: Split) -> tuple[EventAnnotations, Mask]:
    """Read one split of the annotation files, in the order of the list of clips.

    A clip without any event is background throughout, whatever its category in the list.

    Args:
        folder: the folder with the files, or one whose `meta_anno_files/` holds them.
        split: which split.

    Returns:
        The labels of the clips, and (N,) True for those of a category that training shows.

    Raises:
        UserError: one report of missing files, unknown categories, labels that are not ten times 0
            or 1, and clips that are listed twice or have no annotation.

    Example:
        >>> annotations, is_closed = read_ovavel("OV-AVEL", "test")  # doctest: +SKIP
        >>> len(annotations), int(is_closed.sum())  # doctest: +SKIP
        (5820, 1664)
    """
    folder, problems = _annotation_folder(Path(folder)), Problems()
    labels = _categories(folder)
    known = read_json(
        folder / ANNOTATIONS_FILE,
        dict[str, OVAVELClip],
        "the annotations of OV-AVEBench",
        LARGEST_FILE,
    )
    ids, kinds = _clips(folder / SPLITS_FILE, split, problems)
    category_N = np.full(len(ids), len(labels), np.int64)
    segment_NT = np.full((len(ids), NUM_SEGMENTS), len(labels), np.int64)
    column = {label: index for index, label in enumerate(labels)}
    for row, clip_id in enumerate(ids):
        clip = known.get(clip_id)
        if clip is None:
            problems.add("clips without annotations", shorten(clip_id))
        elif clip.category not in column:
            problems.add("unknown categories", f"{shorten(clip.category)!r} of {clip_id}")
        elif (happens_T := _label(clip.label)) is None:
            problems.add(
                "labels that are not ten times 0 or 1", f"{shorten(clip.label)} of {clip_id}"
            )
        elif happens_T.any():
            category_N[row] = column[clip.category]
            segment_NT[row, happens_T] = column[clip.category]
    problems.raise_if_any(
        f"expected the annotations of OV-AVEBench's {split} split in {folder}",
        "Take the files as they are distributed.",
    )
    annotations = EventAnnotations(
        ids=tuple(ids),
        rows=np.arange(len(ids)),
        labels=labels,
        num_segments=NUM_SEGMENTS,
        category=category_N,
        segment=segment_NT,
        weak=np.eye(len(labels) + 1, dtype=np.float32)[category_N],
        noisy=np.zeros(len(ids), np.bool_),
    )
    return annotations, np.array([kind == KINDS[0] for kind in kinds], np.bool_)


def _annotation_folder(folder: Path) -> Path:
    files = (ANNOTATIONS_FILE, SPLITS_FILE, CATEGORIES_FILE)
    found = folder_of_files(folder, (ANNOTATIONS_FILE,), PLACES)
    missing = [name for name in files if not (found / name).is_file()]
    if missing:
        raise UserError(
            f"expected the files of OV-AVEBench in {found}, but found no {', '.join(missing)}; the "
            "repository of the data set has them in meta_anno_files/"
        )
    return found


def _categories(folder: Path) -> tuple[str, ...]:
    """The categories in the order of their numbers, without background."""
    names = [name for _, name in read_list(folder / CATEGORIES_FILE)]
    if len(names) < 2 or names[-1] != BACKGROUND or len(set(names)) != len(names):
        raise UserError(
            f"expected a category on each line of {folder / CATEGORIES_FILE}, each once, and "
            f"{BACKGROUND!r} on the last one"
        )
    return tuple(names[:-1])


def _clips(path: Path, split: Split, problems: Problems) -> tuple[list[str], list[str]]:
    """The ids of a split, and whether training shows the category of each."""
    columns, rows = read_table(path, ",")
    absent = {"split", "cls_type", "vid_name"} - set(columns)
    if absent:
        raise UserError(
            f"expected the columns {', '.join(sorted(absent))} in {path}, got {columns}"
        )
    clips: dict[str, str] = {}
    for line in rows:
        name, kind = line.cells["vid_name"], line.cells["cls_type"]
        where = f"{path.name} line {line.number}"
        if kind not in KINDS:
            problems.add("kinds of categories that are not close or open", f"{kind!r} at {where}")
        if line.cells["split"] != split:
            continue
        if not is_file_name(name):
            problems.add("names that cannot be those of files", f"{shorten(name)!r} at {where}")
        elif name in clips:
            problems.add("clips that are listed twice", f"{name} at {where}")
        clips[name] = kind
    return list(clips), list(clips.values())


def _label(text: str) -> Mask | None:
    """Where the event is; None if the text does not say."""
    try:
        values = from_json(text, list[int], "a label")
    except UserError:
        return None
    is_one = len(values) == NUM_SEGMENTS and set(values) <= {0, 1}
    return np.array(values, np.bool_) if is_one else None


class OVAVELDataset(AVEDataset):
    """One split of OV-AVEBench: batches as those of AVE.

    Args:
        annotations: the clips and their labels.
        is_closed: (N,) True for clips of a category that training shows.
        source: features by id; None opens the annotations alone.
        streams: what the network reads.

    Example:
        >>> test = OVAVELDataset(*read_ovavel("OV-AVEL", "test"))  # doctest: +SKIP
        >>> int((~test.is_closed).sum())  # doctest: +SKIP
        4156
    """

    def __init__(
        self,
        annotations: EventAnnotations,
        is_closed: Mask,
        source: FeatureSource | None = None,
        streams: Streams | None = None,
    ) -> None:
        super().__init__(annotations, source, streams)
        self.is_closed = is_closed

    @classmethod
    def open(
        cls,
        data: Path,
        split: Split,
        streams: Streams | None = None,
        *,
        features: Path | None = None,
        supervision: Supervision,
    ) -> OVAVELDataset:
        """Open a split; see `mmpyramid.datasets.open_dataset`.

        Raises:
            UserError: also for targets other than the class of every second or of the clip.
        """
        if supervision.kind == "proportion":
            raise UserError(
                "expected full or weak supervision for OV-AVEBench, got the share of the clip that "
                "an event lasts, which AVE alone is trained with"
            )
        annotations, is_closed = read_ovavel(data, split)
        has_source = streams is not None and len(annotations)
        return cls(
            annotations, is_closed, open_source(data, features) if has_source else None, streams
        )

    @property
    def groups(self) -> Mapping[str, Mask]:
        """Clips of categories that training shows, and the others."""
        return {"closed": self.is_closed, "open": ~self.is_closed}

    def describe(self) -> str:
        """The number of clips and classes."""
        return f"{len(self)} clips of {len(self.labels)} classes in the layout of OV-AVEL"


register(
    Layout(
        name="OV-AVEL",
        files=tuple(f"{place}{ANNOTATIONS_FILE}" for place in PLACES),
        open=OVAVELDataset.open,
        problem="localization",
    )
)

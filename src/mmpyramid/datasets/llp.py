"""Look, Listen, and Parse (LLP): its annotations exactly as they are distributed, and its data set.

Source: the tab-separated files of Tian et al., "Unified Multisensory Perception: Weakly-Supervised
Audio-Visual Video Parsing", ECCV 2020. Their official evaluator fills segments [onset, offset) of
videos matched by full name, so rows whose name matches no video have no effect, and neither have
rows whose offset does not exceed their onset. Both occur in the files; both are kept that way.

Shape letters: N videos, B batch, T segments, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmpyramid.core import Array, Modality
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import is_file_name
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.core.runs import Mask, by_modality
from mmpyramid.core.text import read_bytes, read_table, shorten, whole_number
from mmpyramid.datasets.base import (
    LABELS_FILE,
    Dataset,
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
from mmpyramid.datasets.refined import read_refined
from mmpyramid.datasets.segment_labels import SegmentTargets
from mmpyramid.store.source import FeatureError, FeatureSource

if TYPE_CHECKING:
    import torch

WEAK_FILES = {"train": "AVVP_train.csv", "val": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"}
AUDIO_FILE, VISUAL_FILE = "AVVP_eval_audio.csv", "AVVP_eval_visual.csv"
ID_LENGTH = 11
"""Of LLP's own ids, which are YouTube's; others may be longer or shorter."""

NAME = re.compile(r"(?P<id>.+)_(?P<start>[0-9]+(\.[0-9]+)?)_(?P<end>[0-9]+(\.[0-9]+)?)")
LONGEST_NAME = 300
"""Characters of what can be the name of a file and a cut."""
LONGEST_CLIP = 24 * 3600
"""Seconds. Every row has as many segments as the longest clip."""
MOST_TRUTH = 2**33
"""Bytes of the masks of a split."""
NUM_SEGMENTS = 10
"""T of LLP, and of training videos about whose length nothing is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotations:
    """What is known about the N videos of one split, with C classes and T segments of one second.

    Attributes:
        ids: the N names under which features are stored.
        names: the N names in the annotation files, which may carry the cut (`<id>_<start>_<end>`).
        labels: the C class names.
        num_segments: T.
        weak: (N, C) float32, 1 where the class occurs somewhere in the video.
        audio: (N, T, C) bool, True where the class can be heard; None if only weak labels exist.
        visual: (N, T, C) bool, True where the class can be seen; None if only weak labels exist.

    Raises:
        UserError: if the shapes do not agree.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    num_segments: int
    weak: Array
    audio: Mask | None = None
    visual: Mask | None = None

    def __post_init__(self) -> None:
        weak = (len(self.ids), len(self.labels))
        dense = (len(self.ids), self.num_segments, len(self.labels))
        for name, shape in {"weak": weak, "audio": dense, "visual": dense}.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise UserError(
                    f"annotations of {len(self.ids)} videos, {self.num_segments} segments and "
                    f"{len(self.labels)} labels need `{name}` of shape {shape}, got {value.shape}"
                )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truth(self) -> tuple[Mask, Mask]:
        """What is heard and what is seen, two (N, T, C) masks.

        Raises:
            UserError: if the split has weak labels only.
        """
        if self.audio is None or self.visual is None:
            raise UserError(
                "expected a split with dense labels (val or test), got one with weak labels only"
            )
        return self.audio, self.visual

    @property
    def audio_visual(self) -> Mask | None:
        """(N, T, C) bool, True where the class can be heard and seen in the same segment."""
        if self.audio is None or self.visual is None:
            return None
        return self.audio & self.visual


def split_name(name: str) -> tuple[str, float | None]:
    """The id of a video and its length in seconds, by the name that the annotations give it.

    LLP's names are `<id>_<start>_<end>`, the cut in seconds of a YouTube video. Any other name is
    the id as it stands, and says nothing about the length.

    Example:
        >>> [split_name(n) for n in ("BjCEufrlXm4_101.5_111.5", "clip-12_0_8", "my holiday 3")]
        [('BjCEufrlXm4', 10.0), ('clip-12', 8.0), ('my holiday 3', None)]
    """
    if len(name) <= LONGEST_NAME and (match := NAME.fullmatch(name)):
        seconds = float(match["end"]) - float(match["start"])
        if seconds > 0 or len(match["id"]) == ID_LENGTH:
            return match["id"], seconds
    return name, None


def read_llp(
    folder: Path | str,
    split: Split,
    labels: Sequence[str] | None = None,
    *,
    length_of: Callable[[str], int] | None = None,
) -> Annotations:
    """Read one split of an annotation folder in LLP's layout, in the order of its rows.

    T is the length of the longest clip, as its name `<id>_<start>_<end>` says (LLP: 10). Names
    without a cut may be any name of a file; how long such videos are is asked of `length_of`, else
    it is the end of the last event.

    Args:
        folder: the folder with the `AVVP_*.csv` files, or one whose `data/` holds them.
        split: `train` has weak labels only, `val` and `test` have dense ones as well.
        labels: the class names in order; by default the lines of `labels.txt` in the folder, and
            the 25 classes of LLP where there is no such file.
        length_of: gives the number of segments of a video by its id.

    Raises:
        UserError: if the folder is in the layout of AVE, or a file is not in UTF-8; one report of
            all missing files and columns, unknown labels, times that are not whole seconds, and
            names that cannot be those of files or occur twice.

    Example:
        >>> annotations = read_llp("AVVP-ECCV20", "val")  # doctest: +SKIP
        >>> annotations.audio.shape  # doctest: +SKIP
        (649, 10, 25)
    """
    check_layout(Path(folder), "LLP")
    folder = folder_of_files(Path(folder), ("AVVP_*.csv",))
    reader = _Reader(
        folder, tuple(labels) if labels is not None else read_labels(folder, LLP_LABELS)
    )
    names, weak = reader.weak(WEAK_FILES[split])
    clips = reader.clips(names, WEAK_FILES[split])
    dense = []
    if split != "train":
        dense = [reader.dense(file, names) for file in (AUDIO_FILE, VISUAL_FILE)]
    lengths = [round(length) for length in clips.values() if length is not None]
    unknown = [video_id for video_id, length in clips.items() if length is None]
    if unknown and length_of is not None:
        lengths += map(length_of, unknown)
    elif unknown:
        ends = [offset for events in dense for _, _, offset, _ in events]
        lengths.append(max(ends, default=NUM_SEGMENTS))
    shape = (len(names), max(lengths, default=0), len(reader.labels))
    audio, visual = (_paint(events, shape) for events in dense) if dense else (None, None)
    reader.problems.raise_if_any(
        f"expected the annotations of LLP's {split} split in {folder}",
        "`mmpyramid info --data DIR` says what a folder lacks, and docs/data.md where to get it; "
        f"list your own classes in {folder / LABELS_FILE}, one per line.",
    )
    return Annotations(
        ids=tuple(clips),
        names=tuple(names),
        labels=reader.labels,
        num_segments=shape[1],
        weak=weak,
        audio=audio,
        visual=visual,
    )


DenseEvent: TypeAlias = tuple[int, int, int, list[int]]
"""Row of the video, onset, offset, classes."""


class _Reader:
    """Reads the files of one folder and collects what is wrong with them."""

    def __init__(self, folder: Path, labels: tuple[str, ...]) -> None:
        self.folder = folder
        self.labels = labels
        self.problems = Problems()
        self._index = {label: index for index, label in enumerate(labels)}

    def weak(self, file: str) -> tuple[list[str], Array]:
        """The names of a split and their weak labels (N, C)."""
        names, classes = [], []
        for where, row in self._rows(file, ("filename", "event_labels")):
            names.append(row["filename"])
            classes.append(self._classes(row["event_labels"], where))
        weak_NC = np.zeros((len(names), len(self.labels)), np.float32)
        for video, indices in enumerate(classes):
            weak_NC[video, indices] = 1
        return names, weak_NC

    def clips(self, names: Sequence[str], file: str) -> dict[str, float | None]:
        """Seconds of every clip by id, in order; None where its name does not say."""
        clips: dict[str, float | None] = {}
        for name in names:
            video_id, seconds = split_name(name)
            if not is_file_name(video_id):
                self.problems.add("names that cannot be those of files", repr(shorten(name)))
            elif seconds is not None and not seconds <= LONGEST_CLIP:
                self.problems.add("clips of more than a day", f"{name} in {file}")
            elif video_id in clips:
                self.problems.add(f"ids that occur twice in {file}", video_id)
            else:
                clips[video_id] = seconds
        return clips

    def dense(self, file: str, names: Sequence[str]) -> list[DenseEvent]:
        """The events of one modality; rows about other videos are passed over."""
        video = {name: index for index, name in enumerate(names)}
        events: list[DenseEvent] = []
        for where, row in self._rows(file, ("filename", "onset", "offset", "event_labels")):
            classes = self._classes(row["event_labels"], where)
            onset, offset = whole_number(row["onset"]), whole_number(row["offset"])
            if onset is None or offset is None:
                times = [shorten(row["onset"]), shorten(row["offset"])]
                self.problems.add("times that are not whole seconds", f"{times} at {where}")
            elif max(onset, offset) > LONGEST_CLIP:
                self.problems.add("times beyond a day", f"{onset}..{offset} at {where}")
            elif row["filename"] in video:
                events.append((video[row["filename"]], onset, offset, classes))
        return events

    def _classes(self, names: str, where: str) -> list[int]:
        indices = []
        for name in names.split(","):
            if name in self._index:
                indices.append(self._index[name])
            else:
                self.problems.add("unknown labels", f"{shorten(name)!r} at {where}")
        return indices

    def _rows(self, file: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Every row with the place where it stands."""
        path = self.folder / file
        if not path.is_file():
            self.problems.add("missing files", file)
            return
        found, rows = read_table(path, "\t", ragged=True)
        absent = [name for name in columns if name not in found]
        if absent and len(found) == 1 and "," in found[0]:
            self.problems.add("tables separated by commas instead of tabs", file)
            return
        for name in absent:
            self.problems.add("missing columns", f"{name!r} in {file}")
        if not absent:
            for line in rows:
                yield f"{file} line {line.number}", line.cells


def _paint(events: Sequence[DenseEvent], shape_NTC: tuple[int, int, int]) -> Mask:
    """(N, T, C) True where an event is.

    Raises:
        UserError: if that takes more memory than annotations should.
    """
    if (size := math.prod(shape_NTC)) > MOST_TRUTH:
        raise UserError(
            f"expected labels of at most {MOST_TRUTH / 2**30:.0f} GiB, but {shape_NTC[0]} videos "
            f"of {shape_NTC[1]} seconds and {shape_NTC[2]} classes take {size / 2**30:.0f}; a "
            "corpus with a few long videos is better annotated in the layout of a folder"
        )
    truth_NTC = np.zeros(shape_NTC, np.bool_)
    for video, onset, offset, classes in events:
        truth_NTC[video, onset:offset, classes] = True
    return truth_NTC


class LLPDataset(Dataset):
    """One split in the layout of LLP: weak labels, and dense ones to validate and test on.

    Args:
        annotations: the videos and their labels.
        reader: their features; None opens the annotations alone.
        modality_NMC: weak labels of each modality, if they are known (MA).
        refined: digest of the file that they are from.
        segments: what teachers say of each segment.

    Example:
        >>> test = LLPDataset(read_llp("LLP", "test"))  # doctest: +SKIP
        >>> test.truth(test.ids[0])[Modality.AUDIO].shape  # doctest: +SKIP
        (10, 25)
    """

    def __init__(
        self,
        annotations: Annotations,
        reader: ById | None = None,
        modality_NMC: Array | None = None,
        refined: str | None = None,
        segments: SegmentTargets | None = None,
    ) -> None:
        self.annotations, self.reader, self._refined = annotations, reader, refined
        self.segments = segments
        self.labels, self.ids = annotations.labels, annotations.ids
        self._row = {video_id: row for row, video_id in enumerate(self.ids)}
        self.num_segments = annotations.num_segments
        self.modality_NMC = modality_NMC

    @classmethod
    def open(
        cls,
        data: Path,
        split: Split,
        streams: Streams | None = None,
        *,
        features: Path | None = None,
        supervision: Supervision,
    ) -> LLPDataset:
        """Open a split; see `mmpyramid.datasets.open_dataset`."""
        names = () if streams is None else tuple(streams.widths)

        @cache
        def source() -> FeatureSource:
            return open_source(data, features)

        def length_of(video_id: str) -> int:
            try:
                features_of = source().load(video_id, names)
            except FeatureError:
                return 0  # What is missing or damaged is reported with all others.
            return max(map(len, features_of.values()))

        annotations = read_llp(data, split, length_of=None if streams is None else length_of)
        reader = modality_NMC = refined = segments = None
        if split == "train" and supervision.refined:
            modality_NMC = read_refined(supervision.refined, annotations)
            refined = digest_of(read_bytes(supervision.refined))
        if split == "train" and supervision.segments:
            segments = SegmentTargets(
                supervision.segments, annotations.ids, annotations.weak, annotations.labels
            )
        if streams is not None and len(annotations):
            reader = ById(source(), annotations.ids, streams, annotations.num_segments)
        return cls(annotations, reader, modality_NMC, refined, segments)

    def __len__(self) -> int:
        return len(self.annotations)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Features and labels of some rows, T segments each."""
        import torch

        known, index = self.annotations, np.asarray(rows)
        modality_NMC = self.modality_NMC
        batch = replace(
            self.features.batch(rows),
            weak_BC=torch.from_numpy(known.weak[index]),
            audio_BTC=None if known.audio is None else _as_float(known.audio[index]),
            visual_BTC=None if known.visual is None else _as_float(known.visual[index]),
            modality_BMC=None if modality_NMC is None else torch.from_numpy(modality_NMC[index]),
        )
        return batch if self.segments is None else self.segments.added_to(batch, rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the annotation files, `<id>_<start>_<end>`."""
        return self.annotations.names

    @property
    def weak(self) -> Array:
        """(N, C) float32, 1 where the class occurs somewhere in the video."""
        return self.annotations.weak

    @property
    def masks(self) -> tuple[Mask, Mask]:
        """What is heard and what is seen, two (N, T, C)."""
        return self.annotations.truth

    def truth(self, video_id: str) -> Mapping[Modality, Mask]:
        """What is heard, what is seen, and where both are."""
        row = self._row[video_id]
        return by_modality(*(mask_NTC[row] for mask_NTC in self.masks))

    def digest(self) -> dict[str, str]:
        """Of all annotations, and of the features of the first video."""
        found = {
            "annotations": digest_of(vars(self.annotations)),
            "features": digest_of(self.item(self.ids[0])),
        }
        if self.segments is not None:
            found["segments"] = self.segments.digest
        return found if self._refined is None else {**found, "refined": self._refined}

    def describe(self) -> str:
        """The number of videos and classes."""
        return f"{len(self)} videos of {len(self.labels)} classes in the layout of LLP"


def _as_float(mask: Mask) -> torch.Tensor:
    import torch

    return torch.from_numpy(mask.astype(np.float32))


register(Layout(name="LLP", files=("AVVP_*.csv",), open=LLPDataset.open, problem="parsing"))

"""What corrected files say of the seconds of videos: the examples that classes are learned from.

Shape letters: N clips, T segments of a clip, S segments of all clips, D width, C classes.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.registry import BackboneOptions, create_extractors
from mmpyramid.core import Array, Features, Modality, Timeline
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.runs import rasterize
from mmpyramid.datasets.folder import check_ends
from mmpyramid.datasets.folder_files import BOTH, Video, read_annotations
from mmpyramid.extract.corpus import ExtractionProgress, extract_corpus
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.extract.search import FoundVideos, find_videos
from mmpyramid.store.store import FeatureStore

STREAMS = {Modality.AUDIO: "yamnet", Modality.VISUAL: "efficientnet_lite0"}
WIDTHS = {"yamnet": 1024, "efficientnet_lite0": 1280}
"""The open backbones: what is learned from."""

SOMEWHERE = math.nan
"""A target: the class is somewhere in the clip, and nothing says when."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """The segments of clips as one modality perceives them.

    Attributes:
        feature_SD: features, as a backbone gives them or as a classifier reads them.
        clip_S: the row of the clip that each is from.
        target_SC: 1 where a class is perceived, 0 where it is not, or `SOMEWHERE`.
    """

    feature_SD: Array
    clip_S: NDArray[np.int64]
    target_SC: Array

    def of(self, clips_N: NDArray[np.bool_], columns: Sequence[int]) -> Examples:
        """Those of some clips and classes."""
        chosen_S = clips_N[self.clip_S]
        return Examples(
            feature_SD=self.feature_SD[chosen_S],
            clip_S=self.clip_S[chosen_S],
            target_SC=self.target_SC[chosen_S][:, columns],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """Clips with their features, and what corrections say of them.

    Attributes:
        labels: the C classes.
        videos: what is annotated in the N clips, by id; nothing where there are no corrections.
        features: by id.
        corrected: the clips that have corrections.
        left_out: files of the corrections that no format reads.
        failed: why videos could not be read, by id.
    """

    labels: tuple[str, ...]
    videos: Mapping[str, Video]
    features: Mapping[str, Features]
    corrected: frozenset[str]
    left_out: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    def targets(self, modality: Modality) -> dict[int, Array]:
        """What is said of the segments of each clip that has the modality, (T, C) by its row."""
        stream = STREAMS[modality]
        return {
            row: targets_of(video, modality, self.labels, len(self.features[name][stream]))
            for row, (name, video) in enumerate(self.videos.items())
            if stream in self.features[name]
        }

    def examples(self, modality: Modality) -> Examples:
        """The segments of all clips that have the modality."""
        stream, targets, ids = STREAMS[modality], self.targets(modality), list(self.videos)
        features = [self.features[ids[row]][stream] for row in targets]
        lengths = [len(feature_TD) for feature_TD in features]
        return Examples(
            feature_SD=np.concatenate([np.zeros((0, WIDTHS[stream]), np.float32), *features]),
            clip_S=np.repeat(np.array(list(targets), np.int64), lengths),
            target_SC=np.concatenate(
                [np.zeros((0, len(self.labels)), np.float32), *targets.values()]
            ),
        )

    def annotated(self, modality: Modality) -> NDArray[np.bool_]:
        """Which classes are said to be perceived in which clips, (N, C)."""
        return np.array(
            [
                [
                    any(
                        occurring == label and how in (modality, BOTH)
                        for occurring, how, _ in video.occurring
                    )
                    for label in self.labels
                ]
                for video in self.videos.values()
            ],
            np.bool_,
        ).reshape(len(self.videos), len(self.labels))


def targets_of(video: Video, modality: Modality, labels: Sequence[str], length: int) -> Array:
    """What is said of each segment of a clip, (T, C); see `Examples`.

    An event counts in the segments that it covers at least half, and in that of its middle, so that
    short ones count as well.
    """
    events = [
        replace(
            event, start=min(event.start, length), end=min(event.end, length), modality=modality
        )
        for event, _ in video.events
        if event.label in labels and event.modality in (modality, BOTH)
    ]
    timeline = Timeline(events=tuple(events), duration=float(length), labels=tuple(labels))
    target_TC = rasterize(timeline, length)[modality is Modality.VISUAL].astype(np.float32)
    for event in events:
        middle = min(int((event.start + event.end) / 2), length - 1)
        target_TC[middle, labels.index(event.label)] = 1
    for label, how, _ in video.weak:
        if label in labels and how in (modality, BOTH):
            column = labels.index(label)
            if not target_TC[:, column].any():
                target_TC[:, column] = SOMEWHERE
    return target_TC


def read_lesson(
    corrections: Path,
    videos: str | Path,
    store: Path,
    *,
    classes: Sequence[str] | None = None,
    only_corrected: bool = False,
    device: str = "cpu",
    on_progress: Callable[[ExtractionProgress], None] | None = None,
) -> Lesson:
    """Read corrections, and the features of the videos.

    Features stay in a store, by name, size and time of change of each file: what was read once is
    not read again.

    Args:
        corrections: see `read_annotations`.
        videos: a folder, a file, or a glob pattern.
        store: folder of the features.
        classes: the labels to learn; None takes all that occur.
        only_corrected: leave out videos without corrections; otherwise they count as videos without
            the classes.
        device: where the backbones run.
        on_progress: called after each video that is read.

    Raises:
        UserError: if corrections cannot be read or have no video, or an event lasts beyond its
            video.
    """
    annotated, left_out = read_annotations(corrections)
    labels = _choose(annotated, classes)
    paths = find_videos(videos)
    _check_names(annotated, paths, videos)
    if only_corrected:
        paths = {name: path for name, path in paths.items() if name in annotated}
    keys = {name: key_of(path) for name, path in paths.items()}
    summary = extract_corpus(
        FoundVideos(paths={keys[name]: path for name, path in paths.items()}),
        store,
        tuple(STREAMS.values()),
        factory=partial(create_extractors, options=BackboneOptions(device=device)),
        engine=LocalEngine(gpus=int(device.startswith("cuda"))),
        on_progress=on_progress,
    )
    failed = {name: summary.failed[key] for name, key in keys.items() if key in summary.failed}
    with_features = FeatureStore(store)
    known = {
        name: annotated.get(name, Video(where=str(path)))
        for name, path in sorted(paths.items())
        if name not in failed
    }
    features = {name: with_features.load(keys[name]) for name in known}
    lengths = [min(map(len, streams.values())) for streams in features.values()]
    check_ends(known, np.array(lengths, np.int64))
    return Lesson(
        labels=labels,
        videos=known,
        features=features,
        corrected=frozenset(annotated.keys() & known.keys()),
        left_out=left_out,
        failed=failed,
    )


def key_of(path: Path) -> str:
    """What a file is called in the store: another one once it has changed."""
    found = path.stat()
    known = f"{path.name}\0{found.st_size}\0{found.st_mtime_ns}"
    return hashlib.sha256(known.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _choose(annotated: Mapping[str, Video], classes: Sequence[str] | None) -> tuple[str, ...]:
    """The labels that are asked for, or all, sorted.

    Raises:
        UserError: if one does not occur, or none is there.
    """
    occurring = sorted({label for video in annotated.values() for label, _, _ in video.occurring})
    for label in classes or ():
        if label not in occurring:
            close = difflib.get_close_matches(label, occurring, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(occurring)}"
            raise UserError(f"expected classes that the corrections name, got {label!r}; {hint}")
    if not occurring:
        raise UserError(
            "expected corrections that name what happens, got none with a label; correct some "
            "timelines first"
        )
    return tuple(dict.fromkeys(classes)) if classes else tuple(occurring)


def _check_names(annotated: Mapping[str, Video], paths: Mapping[str, Path], videos: object) -> None:
    """Check that everything that is corrected is there."""
    problems = Problems()
    for name, video in annotated.items():
        if name not in paths:
            close = difflib.get_close_matches(name, paths, n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            problems.add("corrections without a video", f"{name} at {video.where}{hint}")
    problems.raise_if_any(
        f"expected a video in {videos} for everything that is corrected",
        "Corrections are called as the video's file is, without its suffix.",
    )

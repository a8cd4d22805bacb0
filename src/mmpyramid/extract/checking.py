"""Verifies a store against the videos that it was made from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmpyramid.backbones.registry import create_extractors
from mmpyramid.core import Features, Progress
from mmpyramid.core.errors import UserError
from mmpyramid.extract.decoding import Failure
from mmpyramid.extract.embedding import BATCH
from mmpyramid.extract.engines import Engine, Factory, Job, LocalEngine
from mmpyramid.extract.search import Videos, find_videos
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.store.shard import Extracted
from mmpyramid.store.source import FeatureError, find_faults
from mmpyramid.store.store import FeatureStore

SAMPLE = 8
TOLERANCE = 1e-3
"""Of a stream's largest value: other machines sum in another order; other files differ by more."""


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a check found, by the ids of videos.

    Attributes:
        num_sound: videos whose features are whole and finite.
        absent: videos that are neither in the store nor noted as failed.
        failed: why videos failed when they were extracted.
        strange: videos in the store that are not among those given.
        damaged: why features cannot be used.
        same: videos that gave the same bits when they were extracted again.
        close: those that gave nearly the same, as another machine may.
        changed: how others differed.
    """

    num_sound: int
    absent: Sequence[str]
    failed: dict[str, str]
    strange: Sequence[str]
    damaged: dict[str, str]
    same: list[str] = field(default_factory=list)
    close: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing, damaged or changed; known failures are no news."""
        return not (self.absent or self.damaged or self.changed)


def check_corpus(  # noqa: PLR0913 - as `extract_corpus`
    videos: Videos,
    store: Path | str,
    extractors: str | Sequence[str] = "open",
    *,
    factory: Factory = create_extractors,
    engine: Engine | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
    tracks: Tracks = PLAYED,
    progress: Progress | None = None,
) -> CheckReport:
    """Read all features of a store, and extract some videos again to compare.

    Args:
        videos: what it was made from; see `extract_corpus`.
        store: the store's folder.
        extractors: those it was made with, for `factory`.
        factory: makes the extractors.
        engine: who extracts.
        sample: how many videos to extract again, drawn at random.
        seed: of that draw.
        tracks: which tracks of the videos it was made from.
        progress: called after each video read.

    Raises:
        UserError: if there is no store, or it was made by other backbones.

    Example:
        >>> check_corpus("videos/", "features/").is_sound  # doctest: +SKIP
        True
    """
    paths, opened = find_videos(videos), FeatureStore(store)
    engine = engine or LocalEngine()
    job = engine.prepare(Job(factory=factory, extractors=extractors, batch=BATCH, tracks=tracks))
    assert job.provenance is not None, "`prepare` sets it"
    differences = opened.provenance.differences(job.provenance)
    if differences:
        raise UserError(
            f"expected the backbones that made the store {store}, but there "
            f"{'; '.join(differences)}"
        )
    damaged = _damaged(opened, progress)
    sound = sorted(set(opened.ids) - damaged.keys())
    report = CheckReport(
        num_sound=len(sound),
        absent=sorted(paths.keys() - set(opened.ids) - opened.failures.keys()),
        failed=opened.failures,
        strange=sorted(set(opened.ids) - paths.keys()),
        damaged=damaged,
    )
    again = _draw([paths[video_id] for video_id in sound if video_id in paths], sample, seed)
    with closing(engine.run(job, again)) as results:
        for path, result in results:
            _compare(report, path.stem, opened.read(path.stem), result)
    return report


def _draw(paths: Sequence[Path], sample: int, seed: int) -> list[Path]:
    return random.Random(seed).sample(paths, min(sample, len(paths)))


def _damaged(store: FeatureStore, progress: Progress | None) -> dict[str, str]:
    damaged = {}
    for number, video_id in enumerate(store.ids, 1):
        try:
            faults = list(find_faults(video_id, store.load(video_id), store.streams))
        except FeatureError as error:
            faults = list(error.faults)
        if faults:
            damaged[video_id] = str(FeatureError(faults))
        if progress:
            progress(number, len(store))
    return damaged


def _compare(
    report: CheckReport, video_id: str, kept: Extracted, again: Extracted | Failure
) -> None:
    """Put one video under what became of it."""
    if isinstance(again, Failure):
        report.changed[video_id] = f"it cannot be extracted any more: {again.reason}"
        return
    differences = "; ".join(_differences(kept.features, again.features))
    if differences:
        report.changed[video_id] = differences
    elif all(kept.features[n].tobytes() == again.features[n].tobytes() for n in kept.features):
        report.same.append(video_id)
    else:
        report.close.append(video_id)


def _differences(kept: Features, again: Features) -> Iterator[str]:
    if kept.keys() != again.keys():
        yield f"it has {', '.join(again) or 'nothing'} and not {', '.join(kept) or 'nothing'}"
    for name in kept.keys() & again.keys():
        if kept[name].shape != again[name].shape:
            yield f"{name} is {again[name].shape} and not {kept[name].shape}"
            continue
        largest = float(np.abs(kept[name]).max(initial=0))
        difference = float(np.abs(kept[name] - again[name]).max(initial=0))
        if difference > TOLERANCE * largest:
            yield f"{name} differs by {difference:.3g}, its largest value is {largest:.3g}"

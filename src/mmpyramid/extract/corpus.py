"""From the video files of a corpus to a store of features: the run, what it did, and its check."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmpyramid.backbones.registry import create_extractors
from mmpyramid.core import Features, Progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.interrupts import interrupts_kept
from mmpyramid.core.scores import Extracted
from mmpyramid.extract.embedding import BATCH
from mmpyramid.extract.engines import Engine, Factory, Job, LocalEngine
from mmpyramid.extract.pieces import Failure
from mmpyramid.extract.search import FoundVideos, Videos, find_videos, search_videos
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.store.source import FeatureError, find_faults
from mmpyramid.store.store import FeatureStore
from mmpyramid.store.writer import StoreWriter


@dataclass(frozen=True)
class ExtractionProgress:
    """One video is over: `completed` of `total`; `error` is why it failed, if it did."""

    completed: int
    total: int
    video_id: str
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExtractionSummary:
    """What a run did.

    Attributes:
        done: number of videos that this run finished.
        skipped: number of videos that were in the store already.
        failed: why videos failed, by id, in this run or in an earlier one and not tried again.
        left_out: what a search of folders passed over, with counts and reasons.
    """

    done: int
    skipped: int
    failed: Mapping[str, str] = field(default_factory=dict)
    left_out: str = ""


def extract_corpus(  # noqa: PLR0913 - what is extracted, how, and by whom
    videos: Videos | FoundVideos,
    out: Path | str,
    extractors: str | Sequence[str] = "open",
    *,
    factory: Factory = create_extractors,
    engine: Engine | None = None,
    batch: int = BATCH,
    retry_failed: bool = False,
    tracks: Tracks = PLAYED,
    on_progress: Callable[[ExtractionProgress], None] | None = None,
) -> ExtractionSummary:
    """Extract the features of many files into a store.

    A run may end at any moment, in any way: the next one continues where it stopped. A bad file is
    noted in the store with the reason, and skipped.

    Args:
        videos: a file, a folder (see `search_videos`), a glob pattern, or several of them; the id
            of a video is its file name without the suffix. Or what was found already, by any ids.
        out: the store's folder.
        extractors: a set's name or the names of streams, for `factory`.
        factory: makes the extractors, in every worker process; picklable.
        engine: who does it, by default `LocalEngine()`; the store is the same for all of them.
        batch: how many segments are embedded together.
        retry_failed: whether to try videos again that failed in an earlier run.
        tracks: which tracks of each video.
        on_progress: called after each video.

    Raises:
        UserError: if there are no videos, two have the same id, one has several ids, the store was
            begun with other backbones, or the disk is full.

    Example:
        >>> extract_corpus("videos/", "features/").done  # doctest: +SKIP
        120
    """
    found = videos if isinstance(videos, FoundVideos) else search_videos(videos)
    paths = found.paths
    ids: dict[Path, str] = {}
    for video_id, path in paths.items():
        if (other := ids.setdefault(path, video_id)) != video_id:
            raise UserError(f"expected each file once, got {path} as {other} and as {video_id}")
    engine = engine or LocalEngine()
    job = engine.prepare(Job(factory=factory, extractors=extractors, batch=batch, tracks=tracks))
    assert job.provenance is not None, "`prepare` sets it"
    with interrupts_kept(), StoreWriter(out, job.provenance) as writer:
        skipped = writer.done & paths.keys()
        known = {} if retry_failed else writer.failures
        failed = {video_id: known[video_id] for video_id in paths if video_id in known}
        todo = [path for video_id, path in paths.items() if video_id not in skipped | failed.keys()]
        with closing(engine.run(job, todo)) as results:
            for completed, (path, result) in enumerate(results, 1):
                error = _store(writer, ids[path], result)
                if error is not None:
                    failed[ids[path]] = error
                if on_progress:
                    on_progress(ExtractionProgress(completed, len(todo), ids[path], error))
    num_done = len(paths) - len(skipped) - len(failed)
    return ExtractionSummary(
        done=num_done,
        skipped=len(skipped),
        failed=failed,
        left_out=found.describe_left_out(),
    )


def _store(writer: StoreWriter, video_id: str, result: Extracted | Failure) -> str | None:
    """Store a result, or the reason why there is none, which is returned."""
    if isinstance(result, Extracted):
        try:
            writer.add(video_id, result)
        except FeatureError as error:
            result = Failure(str(error))
    if isinstance(result, Failure):
        writer.fail(video_id, result.reason)
        return result.reason
    return None


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
    known = [paths[video_id] for video_id in sound if video_id in paths]
    again = random.Random(seed).sample(known, min(sample, len(known)))
    with closing(engine.run(job, again)) as results:
        for path, result in results:
            _compare(report, path.stem, opened.read(path.stem), result)
    return report


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

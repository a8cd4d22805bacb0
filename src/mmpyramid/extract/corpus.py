"""From the video files of a corpus to a store of features: the files, the run, what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmpyramid.backbones.registry import create_extractors
from mmpyramid.core.interrupts import interrupts_kept
from mmpyramid.extract.decoding import Failure
from mmpyramid.extract.embedding import BATCH
from mmpyramid.extract.engines import Engine, Factory, Job, LocalEngine
from mmpyramid.extract.search import Videos, search_videos
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.store.shard import Extracted
from mmpyramid.store.source import FeatureError
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
    videos: Videos,
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

    A run may end at any moment, in any way: the next one goes on where it stopped. A bad file is
    noted in the store with the reason, and skipped.

    Args:
        videos: a file, a folder (see `search_videos`), a glob pattern, or several of them. The id
            of a video is its file name without the suffix.
        out: the store's folder.
        extractors: a set's name or the names of streams, for `factory`.
        factory: makes the extractors, in every worker process; picklable.
        engine: who does it, by default `LocalEngine()`; the store is the same for all of them.
        batch: how many segments are embedded together.
        retry_failed: whether to try videos again that failed in an earlier run.
        tracks: which tracks of each video.
        on_progress: called after each video.

    Raises:
        UserError: if there are no videos, two have the same id, the store was begun with other
            backbones, or the disk is full.

    Example:
        >>> extract_corpus("videos/", "features/").done  # doctest: +SKIP
        120
    """
    found = search_videos(videos)
    summary = extract_files(
        found.paths,
        out,
        extractors,
        factory=factory,
        engine=engine,
        batch=batch,
        retry_failed=retry_failed,
        tracks=tracks,
        on_progress=on_progress,
    )
    return replace(summary, left_out=found.describe_left_out())


def extract_files(  # noqa: PLR0913 - as `extract_corpus`
    paths: Mapping[str, Path],
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
    """Extract the features of files into a store, as `extract_corpus` does, under given ids.

    Args:
        paths: the files by id.
        out: the store's folder.
        extractors: a set's name or the names of streams, for `factory`.
        factory: makes the extractors, in every worker process; picklable.
        engine: who does it, by default `LocalEngine()`.
        batch: how many segments are embedded together.
        retry_failed: whether to try videos again that failed in an earlier run.
        tracks: which tracks of each video.
        on_progress: called after each video.

    Raises:
        UserError: if the store was begun with other backbones, or the disk is full.

    Example:
        >>> extract_files({"first": Path("a/1.mp4")}, "features").done  # doctest: +SKIP
        1
    """
    engine = engine or LocalEngine()
    job = engine.prepare(Job(factory=factory, extractors=extractors, batch=batch, tracks=tracks))
    assert job.provenance is not None, "`prepare` sets it"
    ids = {path: video_id for video_id, path in paths.items()}
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
    return ExtractionSummary(done=num_done, skipped=len(skipped), failed=failed)


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

"""From the video files of a corpus to a store of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mmpyramid.backbones.sets import create_extractors
from mmpyramid.core.interrupts import interrupts_kept
from mmpyramid.extract.engines import Engine, Job, LocalEngine
from mmpyramid.extract.engines.base import Factory
from mmpyramid.extract.extract import BATCH
from mmpyramid.extract.videos import Videos, find_videos
from mmpyramid.extract.workers import Failure
from mmpyramid.store.provenance import Provenance
from mmpyramid.store.shard import Extracted
from mmpyramid.store.source import FeatureError
from mmpyramid.store.writer import StoreWriter


@dataclass(frozen=True)
class ExtractionProgress:
    """One video is over: `completed` of `total`; `error` tells why it failed, if it did."""

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
    """

    done: int
    skipped: int
    failed: Mapping[str, str] = field(default_factory=dict)


def extract_corpus(
    videos: Videos,
    out: Path | str,
    extractors: str | Sequence[str] = "open",
    *,
    factory: Factory = create_extractors,
    engine: Engine | None = None,
    batch: int = BATCH,
    retry_failed: bool = False,
    on_progress: Callable[[ExtractionProgress], None] | None = None,
) -> ExtractionSummary:
    """Extract the features of many files into a store.

    A run may end at any moment, in any way: the next one goes on where it stopped. A bad file is
    noted in the store with the reason, and skipped.

    Args:
        videos: a file, a folder (searched through), a glob pattern, or several of them. The id of a
            video is its file name without the suffix.
        out: the store's folder.
        extractors: a set's name or the names of streams, for `factory`.
        factory: makes the extractors, in every worker process; picklable.
        engine: who does it, by default `LocalEngine()`; the store is the same for all of them.
        batch: how many segments are embedded together.
        retry_failed: whether to try videos again that failed in an earlier run.
        on_progress: called after each video.

    Raises:
        UserError: if there are no videos, two have the same id, the store was begun with other
            backbones, or the disk is full.

    Example:
        >>> extract_corpus("videos/", "features/").done  # doctest: +SKIP
        120
    """
    paths = find_videos(videos)
    made = factory(extractors)
    with interrupts_kept(), StoreWriter(out, Provenance.of(made)) as writer:
        skipped = writer.done & paths.keys()
        known = {} if retry_failed else writer.failures
        failed = {video_id: known[video_id] for video_id in paths if video_id in known}
        todo = [path for video_id, path in paths.items() if video_id not in skipped | failed.keys()]
        job = Job(factory=factory, extractors=extractors, batch=batch)
        results = (engine or LocalEngine()).run(job, todo, made)
        with closing(results):
            for completed, (path, result) in enumerate(results, 1):
                error = _keep(writer, path.stem, result)
                if error is not None:
                    failed[path.stem] = error
                if on_progress:
                    on_progress(ExtractionProgress(completed, len(todo), path.stem, error))
    num_done = len(paths) - len(skipped) - len(failed)
    return ExtractionSummary(done=num_done, skipped=len(skipped), failed=failed)


def _keep(writer: StoreWriter, video_id: str, result: Extracted | Failure) -> str | None:
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

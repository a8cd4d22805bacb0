"""From the video files of a corpus to a store of features: the files, the run, what it did."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mmpyramid.backbones.registry import create_extractors
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.interrupts import interrupts_kept
from mmpyramid.extract.decoding import Failure
from mmpyramid.extract.embedding import BATCH
from mmpyramid.extract.engines import Engine, Factory, Job, LocalEngine
from mmpyramid.store.shard import Extracted
from mmpyramid.store.source import FeatureError
from mmpyramid.store.writer import StoreWriter

Videos: TypeAlias = str | Path | Iterable[str | Path]

MEDIA_SUFFIXES = frozenset(
    {
        ".3gp",
        ".aac",
        ".avi",
        ".flac",
        ".flv",
        ".m4a",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".ogg",
        ".ogv",
        ".opus",
        ".ts",
        ".wav",
        ".webm",
        ".wmv",
    }
)
"""What counts as a video or sound file when a folder is searched."""


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
    engine = engine or LocalEngine()
    job = engine.prepare(Job(factory=factory, extractors=extractors, batch=batch))
    assert job.provenance is not None, "`prepare` sets it"
    with interrupts_kept(), StoreWriter(out, job.provenance) as writer:
        skipped = writer.done & paths.keys()
        known = {} if retry_failed else writer.failures
        failed = {video_id: known[video_id] for video_id in paths if video_id in known}
        todo = [path for video_id, path in paths.items() if video_id not in skipped | failed.keys()]
        with closing(engine.run(job, todo)) as results:
            for completed, (path, result) in enumerate(results, 1):
                error = _store(writer, path.stem, result)
                if error is not None:
                    failed[path.stem] = error
                if on_progress:
                    on_progress(ExtractionProgress(completed, len(todo), path.stem, error))
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


def find_videos(videos: Videos) -> dict[str, Path]:
    """Find media files by id, which is the file name without its suffix.

    Args:
        videos: a file, a folder (searched through), a glob pattern, or several of them.

    Raises:
        UserError: if something does not exist, is no valid pattern, nothing is found, or two files
            have the same id.

    Example:
        >>> find_videos("clips/*.mp4")["dog"]  # doctest: +SKIP
        PosixPath('clips/dog.mp4')
    """
    places = [videos] if isinstance(videos, str | Path) else list(videos)
    problems = Problems()
    found: dict[str, Path] = {}
    for place in places:
        files = _files(Path(place))
        if not files:
            problems.add("places without video or sound files", str(place))
        for path in files:
            other = found.setdefault(path.stem, path)
            # `Path.resolve` refuses links in a circle, which are for whoever opens them to report.
            if os.path.realpath(other) != os.path.realpath(path):
                problems.add(
                    "files whose names differ in folder or suffix only", f"{other}, {path}"
                )
    if not places:
        problems.add("places without video or sound files", "none given")
    problems.raise_if_any(
        "expected video or sound files, each with a name of its own",
        "The name without its suffix is a video's id: rename such files, or extract them apart.",
    )
    return found


def _files(place: Path) -> list[Path]:
    """The files that one argument means, in a fixed order."""
    if place.is_file():
        return [place]
    if place.is_dir():
        found = [path for path in place.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES]
    else:
        found = _matching(place)
    return sorted(path for path in found if not path.is_dir())


def _matching(pattern: Path) -> list[Path]:
    try:
        return list(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    except ValueError as error:
        raise UserError(
            f"expected a file, a folder or a glob pattern, got {pattern}: {error}"
        ) from error

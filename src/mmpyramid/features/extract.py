"""From video files to features: one file in constant memory, or a corpus into a store."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mmpyramid.errors import UserError
from mmpyramid.features.base import Extractor
from mmpyramid.features.provenance import Provenance
from mmpyramid.features.sets import create_extractors
from mmpyramid.features.shard import Extracted
from mmpyramid.features.source import FeatureError
from mmpyramid.features.videos import Videos, find_videos
from mmpyramid.features.workers import Failure, attempt, num_cores, work
from mmpyramid.features.writer import StoreWriter
from mmpyramid.media import Segment, SegmentReader
from mmpyramid.types import Array, Modality

BATCH = 32
NO_PICTURES = (1, (1, 1))

Factory: TypeAlias = Callable[[str | Sequence[str]], Sequence[Extractor]]

SegmentProgress: TypeAlias = Callable[[int, int | None], None]
"""Called with the segments of one file that are done, over all passes, and how many there will be:
None where the header does not tell, and an estimate where it is wrong."""


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


def extract_features(
    path: Path | str,
    extractors: Sequence[Extractor],
    *,
    batch: int = BATCH,
    max_seconds: float | None = None,
    on_progress: SegmentProgress | None = None,
) -> Extracted:
    """Extract the features of one file; only features grow with its length, frames do not.

    Extractors that want the same pictures share one pass over the file.

    Args:
        path: a video or sound file.
        extractors: the backbones.
        batch: how many segments are embedded together.
        max_seconds: refuse longer files, by the header at once, or else when that much is read.
        on_progress: called after each batch; what it raises ends the extraction.

    Raises:
        UserError: if the file cannot be decoded, is too long, or has nothing for these extractors.

    Example:
        >>> extracted = extract_features("clip.mp4", create_extractors("open"))  # doctest: +SKIP
        >>> extracted.features["yamnet"].shape  # doctest: +SKIP
        (10, 1024)
    """
    if not extractors:
        raise UserError("expected at least one extractor to extract features with, got none")
    modalities = {extractor.modality for extractor in extractors}
    pieces: dict[str, list[Array]] = defaultdict(list)
    passes = _passes(extractors)
    for number, ((frames_per_segment, frame_size), group) in enumerate(passes.items()):
        # Every pass reads the sound as well: the segment grid depends on both modalities.
        reader = SegmentReader(
            path,
            audio=Modality.AUDIO in modalities,
            video=Modality.VISUAL in modalities,
            frames_per_segment=frames_per_segment,
            frame_size=frame_size,
        )
        _check_length(path, reader.info.duration, max_seconds)
        for segments in _chunks(reader, batch):
            _check_length(path, reader.duration, max_seconds)
            for extractor in group:
                piece = _embed(extractor, segments)
                if piece is not None:
                    pieces[extractor.name].append(piece)
            if on_progress:
                num_read = segments[-1].index + 1
                on_progress(*_position(number, len(passes), num_read, reader.info.duration))
    return Extracted(
        features={name: np.concatenate(arrays) for name, arrays in pieces.items()},
        duration=reader.duration,
        missing=reader.missing,
        notes=reader.notes,
    )


def extract_corpus(
    videos: Videos,
    out: Path | str,
    extractors: str | Sequence[str] = "open",
    *,
    factory: Factory = create_extractors,
    workers: int | None = None,
    batch: int = BATCH,
    retry_failed: bool = False,
    on_progress: Callable[[ExtractionProgress], None] | None = None,
) -> ExtractionSummary:
    """Extract the features of many files into a store, on this machine.

    A run may end at any moment, in any way: the next one goes on where it stopped. A bad file is
    noted in the store with the reason, and skipped.

    Args:
        videos: a file, a folder (searched through), a glob pattern, or several of them. The id of a
            video is its file name without the suffix.
        out: the store's folder.
        extractors: a set's name or the names of streams, for `factory`.
        factory: makes the extractors, in every worker process; picklable.
        workers: number of processes, by default one per core; 1 works in this process.
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
    with StoreWriter(out, Provenance.of(made)) as writer:
        skipped = writer.done & paths.keys()
        known = {} if retry_failed else writer.failures
        failed = {video_id: known[video_id] for video_id in paths if video_id in known}
        todo = [path for video_id, path in paths.items() if video_id not in skipped | failed.keys()]
        num_workers = min(workers or num_cores(), len(todo))
        if num_workers > 1:
            make = partial(_make_function, factory, extractors, batch, num_cores() // num_workers)
            results = work(make, todo, num_workers)
        else:
            results = _work_here(partial(extract_features, extractors=made, batch=batch), todo)
        with closing(results):
            for completed, (path, result) in enumerate(results, 1):
                error = _keep(writer, path.stem, result)
                if error is not None:
                    failed[path.stem] = error
                if on_progress:
                    on_progress(ExtractionProgress(completed, len(todo), path.stem, error))
    num_done = len(paths) - len(skipped) - len(failed)
    return ExtractionSummary(done=num_done, skipped=len(skipped), failed=failed)


def _passes(
    extractors: Sequence[Extractor],
) -> dict[tuple[int, tuple[int, int]], list[Extractor]]:
    """Group extractors by the pictures that they want; those for sound join the first group."""
    groups: dict[tuple[int, tuple[int, int]], list[Extractor]] = defaultdict(list)
    for extractor in extractors:
        if extractor.modality == Modality.VISUAL:
            groups[extractor.frames_per_segment, extractor.frame_size].append(extractor)
    first = next(iter(groups), NO_PICTURES)
    groups[first] += [e for e in extractors if e.modality == Modality.AUDIO]
    return groups


def _chunks(reader: Iterable[Segment], batch: int) -> Iterator[list[Segment]]:
    segments = iter(reader)
    while chunk := list(islice(segments, batch)):
        yield chunk


def _check_length(path: Path | str, seconds: float | None, most: float | None) -> None:
    if most is not None and seconds is not None and seconds > most:
        raise UserError(
            f"expected at most {most:g} s of video or sound, but {path} has {seconds:.1f} s or more"
            "; cut a piece out of it"
        )


def _position(
    number: int, num_passes: int, num_read: int, promised: float | None
) -> tuple[int, int | None]:
    """Segments done and in total, within pass `number` of a file with `promised` seconds."""
    if promised is None:
        return num_read, None
    num_segments = max(num_read, round(promised))
    return number * num_segments + num_read, num_passes * num_segments


def _embed(extractor: Extractor, segments: Sequence[Segment]) -> Array | None:
    """Embed N segments as (N, D); None if the file lacks the modality."""
    if extractor.modality == Modality.AUDIO:
        waveforms = [segment.waveform for segment in segments if segment.waveform is not None]
        return extractor.embed(np.stack(waveforms)) if waveforms else None
    frames = [segment.frames for segment in segments if segment.frames is not None]
    return extractor.embed(np.stack(frames)) if frames else None


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


def _work_here(
    function: Callable[[Path], Extracted], paths: Iterable[Path]
) -> Generator[tuple[Path, Extracted | Failure]]:
    for path in paths:
        yield path, attempt(function, path)


def _make_function(
    factory: Factory, extractors: str | Sequence[str], batch: int, num_threads: int
) -> Callable[[Path], Extracted]:
    """What a worker process calls on each file; its share of the cores goes to the networks."""
    made = factory(extractors)
    torch = sys.modules.get("torch")  # Loading it takes seconds; extractors may do without.
    if torch is not None:
        torch.set_num_threads(max(1, num_threads))
    return partial(extract_features, extractors=made, batch=batch)

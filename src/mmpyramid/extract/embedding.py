"""From pieces of videos to features; a network's batch may hold segments of several videos.

Shape letters: N segments of one second, D width of an embedding.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.base import Extractor
from mmpyramid.core import Array
from mmpyramid.core.scores import Extracted, VideoInfo
from mmpyramid.extract.decoding import Decoding, Limits, first_ready
from mmpyramid.extract.pieces import (
    Failure,
    Message,
    Piece,
    RequiredInputs,
    pieces_of,
    required_input,
)
from mmpyramid.media.source import Source
from mmpyramid.media.streams import PLAYED, Tracks

BATCH = 4
"""Segments of a piece: few, so that decoding is soon ahead of the networks even in short clips."""

NUM_AHEAD = 6
"""Videos under way: clips of ten seconds fill a batch of 32 segments, and decoding runs ahead."""

SegmentProgress: TypeAlias = Callable[[int, int | None], None]
"""Called with the segments of one file that are done, and how many there will be:
None where the header does not say, and an estimate where it is wrong."""

Results: TypeAlias = Generator[tuple[Path, Extracted | Failure]]
"""Files that are over, with their features or why they failed."""


def extract_features(
    source: Source,
    extractors: Sequence[Extractor],
    *,
    batch: int = BATCH,
    max_seconds: float | None = None,
    decoding: Decoding | None = None,
    tracks: Tracks = PLAYED,
    on_progress: SegmentProgress | None = None,
) -> Extracted:
    """Extract the features of one file; only features grow with its length, frames do not.

    All extractors share one pass over the file, which is decoded ahead of the networks in a thread
    of its own.

    Args:
        source: a video or sound file.
        extractors: the backbones.
        batch: how many segments are embedded together.
        max_seconds: refuse longer files, once that much is read.
        decoding: decode by this, within its limits and apart from this process.
        tracks: which tracks of the file to read.
        on_progress: called after each batch; what it raises ends the extraction.

    Raises:
        UserError: if the file cannot be decoded, is too long, or has nothing for these extractors.

    Example:
        >>> extracted = extract_features("clip.mp4", create_extractors("open"))  # doctest: +SKIP
        >>> extracted.features["yamnet"].shape  # doctest: +SKIP
        (10, 1024)
    """
    required = RequiredInputs.of(extractors, tracks)
    arrays: dict[str, list[Array]] = defaultdict(list)
    for piece in pieces_of(source, required, batch, max_seconds, decoding):
        if not isinstance(piece, Piece):
            features = {name: np.concatenate(parts) for name, parts in arrays.items()}
            return Extracted(**vars(piece), features=features)
        for extractor in extractors:
            if (need := required_input(extractor)) in piece.inputs:
                arrays[extractor.name].append(extractor.embed(piece.inputs[need]))
        if on_progress:
            promised = piece.promised
            total = None if promised is None else max(piece.stop, round(promised))
            on_progress(piece.stop, total)
    raise AssertionError("the last message about a file is its `VideoInfo`")


class FileExtractor:
    """Turns many files into features: decodes ahead, and embeds what has come.

    Use it in a `with` statement, which ends the processes that decode.

    Args:
        extractors: the backbones.
        batch: how many segments are embedded together.
        limits: what decoding one file may take.
        tracks: which tracks of each file to read.
        decoders: how many processes decode, of which each has files of its own.

    Example:
        >>> with FileExtractor(extractors, 4, Limits()) as extractor:  # doctest: +SKIP
        ...     for path, extracted in extractor.each(paths):
        ...         print(path, extracted.features)
    """

    def __init__(
        self,
        extractors: Sequence[Extractor],
        batch: int,
        limits: Limits,
        tracks: Tracks = PLAYED,
        decoders: int = 1,
    ) -> None:
        self._embedder = Embedder(extractors, batch)
        self._required, self._piece = RequiredInputs.of(extractors, tracks), min(batch, BATCH)
        self._decodings = [Decoding(limits) for _ in range(decoders)]

    def __enter__(self) -> FileExtractor:
        return self

    def __exit__(self, *_: object) -> None:
        for decoding in self._decodings:
            decoding.close()

    def expect(self, path: Path) -> None:
        """Add a file to those that are decoded."""
        idlest = min(self._decodings, key=lambda decoding: len(decoding.expected))
        idlest.expect(path, self._required, self._piece)

    def next(self) -> tuple[Path, Extracted | Failure]:
        """The next file that is over, usually the first expected."""
        while not self._embedder.finished:
            if busy := [decoding for decoding in self._decodings if decoding.expected]:
                chosen = busy[0] if len(busy) == 1 else first_ready(busy)
                self._embedder.add(*chosen.receive())
            else:
                self._embedder.flush()
        return self._embedder.finished.popleft()

    def each(self, paths: Sequence[Path]) -> Results:
        """Yield the features of files, which are decoded ahead."""
        num_ahead = NUM_AHEAD * len(self._decodings)
        for number, path in enumerate(paths):
            self.expect(path)
            if number >= num_ahead:
                yield self.next()
        for _ in paths[-num_ahead:]:
            yield self.next()


class Embedder:
    """Takes the pieces of videos, those of each in order, and gives their features.

    Short videos fill the batches of a network together. Where an extractor fails on a batch, its
    videos are tried one by one, so that each fails or succeeds alone.

    Args:
        extractors: the backbones.
        batch: how many segments are embedded together.

    Attributes:
        finished: videos that are over, to be taken by the caller.

    Example:
        >>> embedder = Embedder(create_extractors("open"), 32)  # doctest: +SKIP
        >>> for piece in read_pieces(path, required, 32):  # doctest: +SKIP
        ...     embedder.add(path, piece)
        >>> embedder.flush()  # doctest: +SKIP
        >>> path, extracted = embedder.finished.popleft()  # doctest: +SKIP
    """

    def __init__(self, extractors: Sequence[Extractor], batch: int) -> None:
        self.finished: deque[tuple[Path, Extracted | Failure]] = deque()
        self._batches = [_Batches(extractor, batch) for extractor in extractors]
        self._open: list[_Video] = []

    def add(self, path: Path, message: Message) -> None:
        """Take what comes next of a video; the last is its `VideoInfo`, or why there is none.

        Pieces of several videos may come in turns, but not those of one video twice over.
        """
        video = next((v for v in self._open if v.path == path and v.end is None), None)
        if video is None:
            video = _Video(path)
            self._open.append(video)
        if isinstance(message, Piece):
            for batches in self._batches:
                batches.add(video, message)
        else:
            video.end = message
        self._finish()

    def flush(self) -> None:
        """Embed what waits for a full batch."""
        for batches in self._batches:
            batches.flush()
        self._finish()

    def _finish(self) -> None:
        done = [video for video in self._open if video.is_over]
        self._open = [video for video in self._open if video not in done]
        self.finished += ((video.path, video.result()) for video in done)


class _Video:
    """The part of one video that has come so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_waiting = 0
        self.end: VideoInfo | Failure | None = None
        self.failure: Failure | None = None
        self.arrays: dict[str, list[Array]] = defaultdict(list)

    @property
    def is_over(self) -> bool:
        failed = self.failure is not None or isinstance(self.end, Failure)
        return self.end is not None and (failed or not self.num_waiting)

    def result(self) -> Extracted | Failure:
        assert self.end is not None, "asked only once the video is over"
        if self.failure is not None:
            return self.failure
        if isinstance(self.end, Failure):
            return self.end
        features = {name: np.concatenate(arrays) for name, arrays in self.arrays.items()}
        return Extracted(**vars(self.end), features=features)


class _Batches:
    """The segments that wait for one extractor, in order."""

    def __init__(self, extractor: Extractor, size: int) -> None:
        self._extractor, self._size = extractor, size
        self._input = required_input(extractor)
        self._waiting: deque[tuple[_Video, NDArray[Any]]] = deque()

    def add(self, video: _Video, piece: Piece) -> None:
        """Take the segments of a piece, and embed what fills a batch."""
        if self._input not in piece.inputs:
            return
        video.num_waiting += len(piece.inputs[self._input])
        self._waiting.append((video, piece.inputs[self._input]))
        while sum(len(segments) for _, segments in self._waiting) >= self._size:
            self._embed(self._next_batch())

    def flush(self) -> None:
        """Embed the rest, which is less than a batch."""
        if self._waiting:
            self._embed(self._next_batch())

    def _next_batch(self) -> list[tuple[_Video, NDArray[Any]]]:
        batch, room = [], self._size
        while self._waiting and room:
            video, segments = self._waiting.popleft()
            batch.append((video, segments[:room]))
            if len(segments) > room:
                self._waiting.appendleft((video, segments[room:]))
            room -= len(batch[-1][1])
        return batch

    def _embed(self, parts: Sequence[tuple[_Video, NDArray[Any]]]) -> None:
        try:
            embedding_ND = self._extractor.embed(np.concatenate([rows for _, rows in parts]))
        except Exception as error:  # noqa: BLE001 - becomes the reason why a video failed
            if len(parts) == 1:
                parts[0][0].failure = Failure.of(error)
            else:
                for part in parts:
                    self._embed([part])
            return
        stops = np.cumsum([len(rows) for _, rows in parts])[:-1]
        for (video, _), part_ND in zip(parts, np.split(embedding_ND, stops), strict=True):
            video.arrays[self._extractor.name].append(part_ND)
            video.num_waiting -= len(part_ND)

"""From pieces of videos to features; a network's batch may hold segments of several videos.

Shape letters: N segments of one second, D width of an embedding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.base import Extractor
from mmpyramid.core import Array
from mmpyramid.extract.pieces import Piece, plan_reading, want
from mmpyramid.extract.workers import Failure, explain
from mmpyramid.store.shard import Extracted, VideoInfo


class Embedder:
    """Takes the pieces of one video after the other, and gives their features.

    Short videos fill the batches of a network together. Where an extractor fails on a batch, its
    videos are tried one by one, so that each answers for itself.

    Args:
        extractors: the backbones.
        batch: how many segments are embedded together.

    Example:
        >>> embedder = Embedder(create_extractors("open"), 32)  # doctest: +SKIP
        >>> for piece in read_pieces(path, embedder.reading, 32):  # doctest: +SKIP
        ...     embedder.take(path, piece)
        >>> embedder.flush()  # doctest: +SKIP
        >>> path, extracted = embedder.finished.popleft()  # doctest: +SKIP
    """

    def __init__(self, extractors: Sequence[Extractor], batch: int) -> None:
        self.reading = plan_reading(extractors)
        self.finished: deque[tuple[Path, Extracted | Failure]] = deque()
        self._lines = [_Line(extractor, batch) for extractor in extractors]
        self._open: list[_Video] = []

    def take(self, path: Path, piece: Piece | VideoInfo | Failure) -> None:
        """Take what comes next of a video; the last is its `VideoInfo`, or why there is none."""
        if not self._open or self._open[-1].path != path:
            self._open.append(_Video(path))
        video = self._open[-1]
        if isinstance(piece, Piece):
            for line in self._lines:
                line.add(video, piece.rows.get(want(line.extractor)))
        else:
            video.end = piece
        self._finish()

    def flush(self) -> None:
        """Embed what waits for a full batch."""
        for line in self._lines:
            line.embed_all()
        self._finish()

    def _finish(self) -> None:
        done = [video for video in self._open if video.is_over()]
        self._open = [video for video in self._open if video not in done]
        self.finished += ((video.path, video.result()) for video in done)


class _Video:
    """What has come of one video so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_waiting = 0
        self.end: VideoInfo | Failure | None = None
        self.failure: Failure | None = None
        self._arrays: dict[str, list[Array]] = {}

    def keep(self, name: str, embedding_ND: Array) -> None:
        self._arrays.setdefault(name, []).append(embedding_ND)
        self.num_waiting -= len(embedding_ND)

    def is_over(self) -> bool:
        failed = self.failure is not None or isinstance(self.end, Failure)
        return self.end is not None and (failed or not self.num_waiting)

    def result(self) -> Extracted | Failure:
        assert self.end is not None, "asked only once the video is over"
        if self.failure is not None:
            return self.failure
        if isinstance(self.end, Failure):
            return self.end
        features = {name: np.concatenate(arrays) for name, arrays in self._arrays.items()}
        return Extracted(**vars(self.end), features=features)


class _Line:
    """The segments that wait for one extractor, in order."""

    def __init__(self, extractor: Extractor, batch: int) -> None:
        self.extractor = extractor
        self._batch = batch
        self._waiting: list[tuple[_Video, NDArray[Any]]] = []

    def add(self, video: _Video, rows: NDArray[Any] | None) -> None:
        if rows is None:
            return
        video.num_waiting += len(rows)
        self._waiting.append((video, rows))
        while sum(len(rows) for _, rows in self._waiting) >= self._batch:
            self._embed(self._next_batch())

    def embed_all(self) -> None:
        if self._waiting:
            self._embed(self._next_batch())

    def _next_batch(self) -> list[tuple[_Video, NDArray[Any]]]:
        taken, room = [], self._batch
        while self._waiting and room:
            video, rows = self._waiting.pop(0)
            taken.append((video, rows[:room]))
            if len(rows) > room:
                self._waiting.insert(0, (video, rows[room:]))
            room -= len(taken[-1][1])
        return taken

    def _embed(self, parts: list[tuple[_Video, NDArray[Any]]]) -> None:
        try:
            embedding_ND = self.extractor.embed(np.concatenate([rows for _, rows in parts]))
        except Exception as error:  # noqa: BLE001 - becomes the reason why a video failed
            if len(parts) == 1:
                parts[0][0].failure = Failure(explain(error))
            else:
                for part in parts:
                    self._embed([part])
            return
        stops = np.cumsum([len(rows) for _, rows in parts])[:-1]
        for (video, _), part_ND in zip(parts, np.split(embedding_ND, stops), strict=True):
            video.keep(self.extractor.name, part_ND)

"""Search by example: which seconds of a library look and sound most like those of a clip.

Every second is compared, so that the answer is exact. Similarity is the mean, over the streams that
the example has, of the cosine between the features of a second and the mean direction of the
example's seconds; a second without such a stream counts 0 there.

Shape letters: N seconds, D stream width.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Features, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.core.wording import printable
from mmpyramid.extract.decoding import Decoding, Limits
from mmpyramid.extract.embedding import BATCH
from mmpyramid.extract.pieces import Piece, RequiredInputs, pieces_of, required_input
from mmpyramid.library.index import Library
from mmpyramid.library.query import Moment
from mmpyramid.store.hdf5 import RowFile

SPAN = re.compile(r"(?P<name>.+)@(?P<start>\d+(\.\d+)?)-(?P<end>\d+(\.\d+)?)")
"""`clip.mp4@12-15`."""

MOST = 1_000_000
"""Seconds that are compared in about as many microseconds; beyond that an index is due."""

CHUNK = 1024
"""Seconds that are compared at once; their features fit into the cache of a processor."""

KEPT = 50
"""Seconds that are looked at for each moment that is asked for: neighbours are one moment."""

NEAR = 0.05
"""By how much the similarity of neighbours in one moment differs from that of the best, at most."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """What is looked for.

    Attributes:
        text: as the user wrote it.
        name: the path of a file, or the id of a video in the library.
        start: the second at which it begins.
        end: the second at which it ends; infinity for all of it.

    Raises:
        UserError: if it ends before it begins.
    """

    text: str
    name: str
    start: float = 0.0
    end: float = math.inf

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise UserError(
                f"expected an example that ends after it begins, got {shorten(self.text)}"
            )

    @classmethod
    def parse(cls, text: str) -> Example:
        """Read `clip.mp4@12-15`, or a file or an id alone.

        Example:
            >>> Example.parse("clip.mp4@12-15").end
            15.0
        """
        if (match := SPAN.fullmatch(text)) is None:
            return cls(text=text, name=text)
        return cls(
            text=text, name=match["name"], start=float(match["start"]), end=float(match["end"])
        )

    @property
    def rows(self) -> slice:
        """The seconds that it touches."""
        return slice(int(self.start), None if math.isinf(self.end) else math.ceil(self.end))


@dataclass(frozen=True, kw_only=True)
class Similar:
    """What was found.

    Attributes:
        moments: the most similar first; their score is the similarity of their best second.
        num_seconds: how many seconds were compared.
    """

    moments: Sequence[Moment]
    num_seconds: int


def find_similar(
    library: Library,
    example: Example,
    *,
    limit: int = 10,
    within: Collection[Moment] | None = None,
    device: str = "cpu",
) -> Similar:
    """Find the moments that are most like an example.

    Seconds that touch are one moment if they are about as similar (`NEAR`). Those of the example
    itself are left out.

    Args:
        library: where to look.
        example: a part of a file, or of a video in the library.
        limit: at most so many moments.
        within: moments to which the search is confined; None searches everything.
        device: where networks run, if the example is a file.

    Raises:
        UserError: if there is no such example, or it has no such seconds.

    Example:
        >>> find_similar(Library(Path("lib")), Example.parse("dog.mp4@3-5"))  # doctest: +SKIP
    """
    store = library.store
    features, own = _features_of(library, example, device)
    query_D = {name: _direction(rows) for name, rows in features.items()}
    inside = None if within is None else _seconds(within)
    found: list[tuple[float, str, int]] = []
    num_seconds = 0
    for ids, begins, score_N in _scores(library, query_D):
        num_seconds += len(score_N)
        video_N = np.searchsorted(begins, np.arange(len(score_N)), side="right") - 1
        second_N = np.arange(len(score_N)) - begins[video_N]
        allowed_N = np.ones(len(score_N), np.bool_)
        for number, video in enumerate(ids):
            part = slice(begins[number], begins[number + 1])
            if inside is not None:
                chosen = inside.get(video, set())
                allowed_N[part] = [second in chosen for second in second_N[part].tolist()]
            if video == own:
                allowed_N[part][example.rows] = False
        place_K = np.flatnonzero(allowed_N)
        if len(place_K) > limit * KEPT:
            best = np.argpartition(score_N[place_K], -limit * KEPT)[-limit * KEPT :]
            place_K = place_K[best]
        found += [
            (float(score_N[place]), ids[video_N[place]], int(second_N[place])) for place in place_K
        ]
        found = sorted(found, key=lambda each: (-each[0], each[1:]))[: limit * KEPT]
    heard = {store.provenance.streams[name].modality for name in query_D}
    modality = next(iter(heard)) if len(heard) == 1 else Modality.AUDIO_VISUAL
    moments = _moments(found, limit, library.paths, f"like {example.text}", modality)
    return Similar(moments=moments, num_seconds=num_seconds)


def _features_of(library: Library, example: Example, device: str) -> tuple[Features, str | None]:
    """The features of an example, and its id if it is a video of the library."""
    store = library.store
    if example.name in store:
        stored = store.load(example.name)
        features: Features = {name: rows[example.rows] for name, rows in stored.items()}
        own: str | None = example.name
    elif Path(example.name).is_file():
        features, own = _extract(library, example, device), None
    else:
        raise UserError(
            f"expected --like of a file or of a video in the library, such as clip.mp4@12-15, got "
            f"{shorten(example.text)!r}, which is neither"
        )
    features = {name: rows for name, rows in features.items() if len(rows)}
    if not features:
        raise UserError(
            f"expected an example with seconds in it, but {shorten(example.text)} begins after "
            "the end of the video"
        )
    return features, own


def _extract(library: Library, example: Example, device: str) -> Features:
    """The features of a part of a file, by the backbones of the library."""
    known = library.store.provenance
    made = library.description.pipeline(device).extractors
    extractors = [extractor for extractor in made if extractor.name in known.streams]
    known.check_weights(extractors)
    required = RequiredInputs.of(extractors, known.tracks)
    parts: dict[str, list[Array]] = {extractor.name: [] for extractor in extractors}
    first = example.rows.start
    with Decoding(Limits()) as decoding:
        start = 0
        for piece in pieces_of(Path(example.name), required, BATCH, decoding=decoding):
            if not isinstance(piece, Piece) or start >= example.end:
                break
            rows = slice(max(0, first - start), math.ceil(min(example.end, 1e9)) - start)
            for extractor in extractors:
                segments = piece.inputs.get(required_input(extractor))
                if segments is not None and len(segments[rows]):
                    parts[extractor.name].append(extractor.embed(segments[rows]))
            start = piece.stop
    return {name: np.concatenate(rows) for name, rows in parts.items() if rows}


def _direction(rows_ND: Array) -> Array:
    """The mean of unit vectors, as a unit vector."""
    flat_ND = rows_ND.reshape(len(rows_ND), -1).astype(np.float64)
    length_N = np.maximum(np.linalg.norm(flat_ND, axis=1), 1e-12)
    mean_D = (flat_ND / length_N[:, None]).mean(axis=0)
    direction_D: Array = (mean_D / max(float(np.linalg.norm(mean_D)), 1e-12)).astype(np.float32)
    return direction_D


def _scores(
    library: Library, query_D: Mapping[str, Array]
) -> Iterator[tuple[Sequence[str], NDArray[np.int64], Array]]:
    """For each file of the store: ids, where each video begins, and a score for each second."""
    for ids, streams in library.store.files():
        lengths = [np.diff(begins) for _, begins in streams.values()]
        begins = np.concatenate([[0], np.cumsum(np.maximum.reduce(lengths))])
        score_N = np.zeros(begins[-1], np.float32)
        for name, query in query_D.items():
            if name not in streams:
                continue
            file, own_begins = streams[name]
            cosine_N = _cosines(file, query)
            if np.array_equal(begins, own_begins):
                score_N += cosine_N
                continue
            for place, (start, stop) in zip(begins, pairwise(own_begins), strict=False):
                score_N[place : place + stop - start] += cosine_N[start:stop]
        score_N /= len(query_D)
        yield ids, begins, score_N


def _cosines(file: RowFile, query_D: Array) -> Array:
    """The cosine of every row of a file with a direction."""
    cosine_N = np.zeros(file.shape[0], np.float32)
    if not len(cosine_N):
        return cosine_N
    with file.opened() as stored:
        for start in range(0, len(cosine_N), CHUNK):
            rows_ND = np.asarray(stored[start : start + CHUNK], np.float32)
            flat_ND = rows_ND.reshape(len(rows_ND), -1)
            length_N = np.sqrt(np.einsum("nd,nd->n", flat_ND, flat_ND))
            cosine_N[start : start + CHUNK] = flat_ND @ query_D / np.maximum(length_N, 1e-12)
    return cosine_N


def _seconds(moments: Collection[Moment]) -> dict[str, set[int]]:
    """The seconds of moments, by video."""
    seconds: dict[str, set[int]] = {}
    for moment in moments:
        touched = range(int(moment.start), math.ceil(moment.end))
        seconds.setdefault(moment.video, set()).update(touched)
    return seconds


def _moments(
    found: Sequence[tuple[float, str, int]],
    limit: int,
    paths: Mapping[str, str],
    label: str,
    modality: Modality,
) -> list[Moment]:
    """Seconds, the best first, as moments: each joins one that fits, or begins another."""
    spans: list[tuple[str, int, int, float]] = []
    for score, video, second in found:
        for place, (other, start, end, best) in enumerate(spans):
            if other == video and start - 1 <= second <= end and score >= best - NEAR:
                spans[place] = other, min(start, second), max(end, second + 1), best
                break
        else:
            if len(spans) < limit:
                spans.append((video, second, second + 1, score))
    return [
        Moment(
            video=printable(video),
            path=paths.get(printable(video), ""),
            start=float(start),
            end=float(end),
            label=label,
            modality=modality.value,
            score=best,
        )
        for video, start, end, best in spans
    ]

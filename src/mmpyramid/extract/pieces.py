"""A file on its way to the networks: what they want to see of it, and what comes, in pieces.

Shape letters: N segments of one second, F pictures per segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.base import Extractor
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media import Segment, SegmentReader, View
from mmpyramid.media.sampling import Sampling
from mmpyramid.store.shard import VideoInfo


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read of a file, in one pass.

    Attributes:
        audio: whether sound is read.
        views: which pictures are read, if any.
        sampling: how the file is cut into segments.
    """

    audio: bool
    views: tuple[View, ...]
    sampling: Sampling

    def open(self, path: Path | str) -> SegmentReader:
        """Open a file.

        Raises:
            UserError: if that cannot be done, or it has nothing of what is wanted.
        """
        return self.sampling.reader(path, self.views, audio=self.audio, video=bool(self.views))


Want: TypeAlias = View | Literal[Modality.AUDIO]
"""What an extractor takes of a segment: sound, or pictures of some kind."""


def want(extractor: Extractor) -> Want:
    """What an extractor takes."""
    if extractor.modality == Modality.AUDIO:
        return Modality.AUDIO
    return View(extractor.frames_per_segment, extractor.frame_size, extractor.resizing)


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Consecutive segments of a file.

    Attributes:
        stop: number of segments that have come, these included.
        promised: seconds that the header promises, if it does.
        missing: the modalities that the file lacks, whether they are wanted or not.
        rows: (N, 16000) float32 waveforms and, by view, (N, F, height, width, 3) uint8 pictures;
            what the file lacks has no entry.
    """

    stop: int
    promised: float | None
    missing: tuple[Modality, ...]
    rows: dict[Want, NDArray[Any]]


def plan_reading(extractors: Sequence[Extractor]) -> Reading:
    """What to read of a file for all of these extractors: one pass decodes for all.

    Raises:
        UserError: if there are no extractors, or they want other segments than one another.
    """
    samplings = {extractor.sampling for extractor in extractors}
    if len(samplings) != 1:
        got = " and ".join(sorted(samplings)) or "no extractors"
        raise UserError(
            "expected at least one extractor to extract features with, and all of one sampling; "
            f"got {got}"
        )
    wants = dict.fromkeys(map(want, extractors))
    views = tuple(wanted for wanted in wants if isinstance(wanted, View))
    return Reading(audio=Modality.AUDIO in wants, views=views, sampling=samplings.pop())


def read_pieces(
    path: Path, reading: Reading, size: int, max_seconds: float | None = None
) -> Iterator[Piece | VideoInfo]:
    """Read a file.

    Args:
        path: the file.
        reading: what to read of it.
        size: number of segments in a piece; only the last one may have fewer.
        max_seconds: refuse longer files, by the header at once, or else when that much is read.

    Yields:
        Pieces in order, and at the very end what is known about the file.

    Raises:
        UserError: if the file cannot be decoded, or is too long.
    """
    reader = reading.open(path)
    _check_length(path, reader.info.duration, max_seconds)
    segments = iter(reader)
    while some := list(islice(segments, size)):
        _check_length(path, reader.duration, max_seconds)
        yield Piece(
            stop=some[-1].index + 1,
            promised=reader.info.duration,
            missing=reader.missing,
            rows=_rows(some, reading.views),
        )
    yield VideoInfo(duration=reader.duration, missing=reader.missing, notes=reader.notes)


def _check_length(path: Path, seconds: float | None, most: float | None) -> None:
    if most is not None and seconds is not None and seconds > most:
        raise UserError(
            f"expected at most {most:g} s of video or sound, but {path} has {seconds:.1f} s or more"
            "; cut a piece out of it"
        )


def _rows(segments: Sequence[Segment], views: Sequence[View]) -> dict[Want, NDArray[Any]]:
    rows: dict[Want, NDArray[Any]] = {}
    waveforms = [s.waveform for s in segments if s.waveform is not None]
    if waveforms:
        rows[Modality.AUDIO] = np.stack(waveforms)
    for view, frames in zip(views, zip(*(s.views for s in segments), strict=True), strict=False):
        rows[view] = np.stack(frames)
    return rows

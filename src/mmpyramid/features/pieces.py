"""A file on its way to the networks: what they want to see of it, and what comes, in pieces.

Shape letters: N segments of one second, F pictures per segment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.errors import UserError
from mmpyramid.features.base import Extractor
from mmpyramid.features.shard import VideoInfo
from mmpyramid.media import Segment, SegmentReader
from mmpyramid.types import Modality

NO_PICTURES = (1, (1, 1))


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass over a file reads.

    Attributes:
        audio: whether it reads sound.
        video: whether it reads pictures.
        frames_per_segment: F, pictures per second.
        frame_size: (width, height) of the pictures.
    """

    audio: bool
    video: bool
    frames_per_segment: int
    frame_size: tuple[int, int]

    def reader(self, path: Path | str) -> SegmentReader:
        """Open a file.

        Raises:
            UserError: if that cannot be done, or it has nothing of what is wanted.
        """
        return SegmentReader(path, **vars(self))


Plan: TypeAlias = dict[Pass, list[Extractor]]
"""The passes over a file, and whom each serves."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Consecutive segments of one pass over a file.

    Attributes:
        pass_index: which pass.
        stop: number of segments of this pass that have come, these included.
        promised: seconds that the header promises, if it does.
        rows: by modality, (N, 16000) float32 waveforms and (N, F, height, width, 3) uint8 pictures;
            a modality that the file lacks has no entry.
    """

    pass_index: int
    stop: int
    promised: float | None
    rows: dict[Modality, NDArray[Any]]


def plan_passes(extractors: Sequence[Extractor]) -> Plan:
    """Group extractors by the pictures that they want; those for sound join the first group.

    Every pass reads the sound as well: the segment grid depends on both modalities.

    Raises:
        UserError: if there are no extractors.
    """
    if not extractors:
        raise UserError("expected at least one extractor to extract features with, got none")
    groups: dict[tuple[int, tuple[int, int]], list[Extractor]] = defaultdict(list)
    for extractor in extractors:
        if extractor.modality == Modality.VISUAL:
            groups[extractor.frames_per_segment, extractor.frame_size].append(extractor)
    first = next(iter(groups), NO_PICTURES)
    groups[first] += [e for e in extractors if e.modality == Modality.AUDIO]
    modalities = {extractor.modality for extractor in extractors}
    return {
        Pass(
            audio=Modality.AUDIO in modalities,
            video=Modality.VISUAL in modalities,
            frames_per_segment=frames_per_segment,
            frame_size=frame_size,
        ): group
        for (frames_per_segment, frame_size), group in groups.items()
    }


def read_pieces(
    path: Path, passes: Sequence[Pass], size: int, max_seconds: float | None = None
) -> Iterator[Piece | VideoInfo]:
    """Read a file once per pass.

    Args:
        path: the file.
        passes: what to read.
        size: number of segments in a piece; only the last one of a pass may have fewer.
        max_seconds: refuse longer files, by the header at once, or else when that much is read.

    Yields:
        Pieces in order, and at the very end what is known about the file.

    Raises:
        UserError: if the file cannot be decoded, or is too long.
    """
    for index, one_pass in enumerate(passes):
        reader = one_pass.reader(path)
        _check_length(path, reader.info.duration, max_seconds)
        segments = iter(reader)
        while some := list(islice(segments, size)):
            _check_length(path, reader.duration, max_seconds)
            yield Piece(
                pass_index=index,
                stop=some[-1].index + 1,
                promised=reader.info.duration,
                rows=_rows(some),
            )
    yield VideoInfo(duration=reader.duration, missing=reader.missing, notes=reader.notes)


def _check_length(path: Path, seconds: float | None, most: float | None) -> None:
    if most is not None and seconds is not None and seconds > most:
        raise UserError(
            f"expected at most {most:g} s of video or sound, but {path} has {seconds:.1f} s or more"
            "; cut a piece out of it"
        )


def _rows(segments: Sequence[Segment]) -> dict[Modality, NDArray[Any]]:
    arrays: dict[Modality, list[NDArray[Any]]] = {
        Modality.AUDIO: [s.waveform for s in segments if s.waveform is not None],
        Modality.VISUAL: [s.frames for s in segments if s.frames is not None],
    }
    return {modality: np.stack(rows) for modality, rows in arrays.items() if rows}

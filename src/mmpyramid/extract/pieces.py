"""What is read of a file for networks, and how it comes: in pieces of a few segments.

Shape letters: N segments of one second, F pictures per segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.base import Extractor, sample_rate_of
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.prefetch import prefetch
from mmpyramid.core.scores import VideoInfo
from mmpyramid.media import Segment, SegmentReader, Sound, View
from mmpyramid.media.sampling import Sampling
from mmpyramid.media.source import Source, to_media_file
from mmpyramid.media.streams import PLAYED, Tracks

if TYPE_CHECKING:
    from mmpyramid.extract.decoding import Decoding

Input: TypeAlias = View | Sound
"""What an extractor takes of a segment: sound of some rate, or pictures of some kind."""


@dataclass(frozen=True)
class Failure:
    """Why there is no result for one file."""

    reason: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The message of a `UserError`; of other errors, which are bugs, the type as well."""
        is_ours = isinstance(error, UserError)
        return cls(str(error) if is_ours else f"{type(error).__name__}: {error}")


def required_input(extractor: Extractor) -> Input:
    """What an extractor takes."""
    if extractor.modality == Modality.AUDIO:
        return Sound(sample_rate_of(extractor))
    return View(extractor.frames_per_segment, extractor.frame_size, extractor.resizing)


@dataclass(frozen=True, kw_only=True)
class RequiredInputs:
    """What is read of a file, in one pass for all extractors.

    Attributes:
        sounds: which sounds are read, if any.
        views: which pictures are read, if any.
        sampling: how the file is cut into segments.
        tracks: which tracks of the file.
    """

    sounds: tuple[Sound, ...]
    views: tuple[View, ...]
    sampling: Sampling
    tracks: Tracks = PLAYED

    @classmethod
    def of(
        cls,
        extractors: Sequence[Extractor],
        tracks: Tracks = PLAYED,
    ) -> RequiredInputs:
        """What all of these extractors take.

        Raises:
            UserError: if there are no extractors, or they take other segments than one another.
        """
        samplings = {extractor.sampling for extractor in extractors}
        if len(samplings) != 1:
            got = " and ".join(sorted(samplings)) or "no extractors"
            raise UserError(
                "expected at least one extractor to extract features with, and all of one "
                f"sampling; got {got}"
            )
        inputs = dict.fromkeys(map(required_input, extractors))
        return cls(
            sounds=tuple(sound for sound in inputs if isinstance(sound, Sound)),
            views=tuple(view for view in inputs if isinstance(view, View)),
            sampling=samplings.pop(),
            tracks=tracks,
        )

    @property
    def names(self) -> dict[str, Input]:
        """The inputs by the names that a decoder's answers give them."""
        sounds = {f"sound {number}": sound for number, sound in enumerate(self.sounds)}
        views = {f"view {number}": view for number, view in enumerate(self.views)}
        return {**sounds, **views}


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Consecutive segments of a file.

    Attributes:
        stop: number of segments that have come, these included.
        promised: seconds that the header promises, if it does.
        missing: the modalities that the file lacks, whether they are required or not.
        inputs: by sound, (N, rate) float32 waveforms and, by view, (N, F, height, width, 3) uint8
            pictures; what the file lacks has no entry.
    """

    stop: int
    promised: float | None
    missing: tuple[Modality, ...]
    inputs: dict[Input, NDArray[Any]]


Message: TypeAlias = Piece | VideoInfo | Failure
"""What comes of a file: pieces in order, then what is known about it, or why it failed."""


def read_pieces(
    source: Source, required: RequiredInputs, size: int, max_seconds: float | None = None
) -> Iterator[Piece | VideoInfo]:
    """Read a file in this process.

    Args:
        source: the file.
        required: what to read of it.
        size: number of segments in a piece; only the last one may have fewer.
        max_seconds: refuse longer files, once that much is read: a header may be wrong, or FFmpeg
            may only have guessed the length.

    Yields:
        Pieces in order, and at the very end what is known about the file.

    Raises:
        UserError: if the file cannot be decoded, has nothing of what is required, or is too long.
    """
    reader = required.sampling.reader(
        source,
        required.views,
        sounds=required.sounds,
        audio=bool(required.sounds),
        video=bool(required.views),
        tracks=required.tracks,
    )
    for message in pieces_of_reader(reader, size):
        if isinstance(message, Piece):
            _check_length(reader, max_seconds)
        yield message


def pieces_of_reader(reader: SegmentReader, size: int) -> Iterator[Piece | VideoInfo]:
    """What `read_pieces` gives, of a reader that is open.

    Args:
        reader: of the file.
        size: number of segments in a piece.
    """
    segments = iter(reader)
    while some := list(islice(segments, size)):
        yield Piece(
            stop=some[-1].index + 1,
            promised=reader.info.duration,
            missing=reader.missing,
            inputs=_stack(some, reader),
        )
    yield VideoInfo(
        duration=reader.duration,
        missing=reader.missing,
        notes=reader.notes,
        frame_rate=reader.info.nominal_rate,
    )


def pieces_of(
    source: Source,
    required: RequiredInputs,
    size: int,
    max_seconds: float | None = None,
    decoding: Decoding | None = None,
) -> Iterator[Piece | VideoInfo]:
    """Read the pieces of a file ahead of their use.

    Args:
        source: the file.
        required: what to read of it.
        size: number of segments in a piece.
        max_seconds: refuse longer files.
        decoding: decode by this; left out, in a thread of this process.

    Raises:
        UserError: if the file cannot be decoded, or is too long.
    """
    if decoding is None:
        yield from prefetch(read_pieces(source, required, size, max_seconds))
        return
    decoding.expect(to_media_file(source).path, required, size, max_seconds)
    while decoding.expected:
        path, message = decoding.receive()
        if isinstance(message, Failure):
            # In a list of many files, the name stands beside the reason already.
            is_named = str(path) in message.reason
            raise UserError(message.reason if is_named else f"{path}: {message.reason}")
        yield message


def _check_length(reader: SegmentReader, most: float | None) -> None:
    if most is not None and reader.duration > most:
        raise UserError(
            f"expected at most {most:g} s of video or sound, but {reader.info.path} has "
            f"{reader.duration:.1f} s or more; cut a piece out of it"
        )


def _stack(segments: Sequence[Segment], reader: SegmentReader) -> dict[Input, NDArray[Any]]:
    inputs: dict[Input, NDArray[Any]] = {}
    heard = zip(*(segment.waveforms for segment in segments), strict=True)
    seen = zip(*(segment.views for segment in segments), strict=True)
    inputs.update(zip(reader.sounds, map(np.stack, heard), strict=False))
    inputs.update(zip(reader.views, map(np.stack, seen), strict=False))
    return inputs

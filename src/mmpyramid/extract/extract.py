"""From one video file to features, in constant memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mmpyramid.backbones.base import Extractor
from mmpyramid.core import Array
from mmpyramid.extract.ahead import one_ahead
from mmpyramid.extract.pieces import Piece, plan_reading, read_pieces, want
from mmpyramid.store.shard import Extracted

BATCH = 4
"""Segments of a piece: few, so that decoding is soon ahead of the networks even in short clips."""

SegmentProgress: TypeAlias = Callable[[int, int | None], None]
"""Called with the segments of one file that are done, and how many there will be:
None where the header does not tell, and an estimate where it is wrong."""


def extract_features(
    path: Path | str,
    extractors: Sequence[Extractor],
    *,
    batch: int = BATCH,
    max_seconds: float | None = None,
    on_progress: SegmentProgress | None = None,
) -> Extracted:
    """Extract the features of one file; only features grow with its length, frames do not.

    All extractors share one pass over the file, which is decoded ahead of the networks in a thread
    of its own.

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
    arrays: dict[str, list[Array]] = defaultdict(list)
    for piece in one_ahead(read_pieces(Path(path), plan_reading(extractors), batch, max_seconds)):
        if not isinstance(piece, Piece):
            features = {name: np.concatenate(parts) for name, parts in arrays.items()}
            return Extracted(**vars(piece), features=features)
        for extractor in extractors:
            if (wanted := want(extractor)) in piece.rows:
                arrays[extractor.name].append(extractor.embed(piece.rows[wanted]))
        if on_progress:
            on_progress(*_position(piece))
    raise AssertionError("the last that comes of a file tells about it")


def _position(piece: Piece) -> tuple[int, int | None]:
    """Segments done and in total."""
    if piece.promised is None:
        return piece.stop, None
    return piece.stop, max(piece.stop, round(piece.promised))

"""Long videos piece by piece: the same result in bounded memory, at the speed of short ones.

Shape letters: B batch, T segments, M modalities (audio, visual), D width, L pyramid units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from mmpyramid.models.outputs import Encoded

PIECE = 1024
"""Segments that are kept of a piece; what is computed of it then stays in a processor's cache."""

Encode = Callable[[Mapping[str, Tensor], Tensor, Tensor], Encoded]


def encode_in_pieces(
    encode: Encode,
    streams: Mapping[str, Tensor],
    mask_BT: Tensor,
    present_BM: Tensor,
    reach: int,
) -> Encoded:
    """Encode pieces with as much around them as can reach into them, and keep the pieces.

    Args:
        encode: encodes a video of any length.
        streams: (B, T, ..., D) by stream name.
        mask_BT: True where a segment exists.
        present_BM: True where a video has the modality.
        reach: how many segments before and after one can change it.

    Returns:
        What `encode` gives for the whole; of a long video without `projected_BTMD`.
    """
    length = mask_BT.shape[1]
    if length <= 2 * PIECE:
        return encode(streams, mask_BT, present_BM)
    parts = []
    for begin, start, stop, end in pieces(length, reach, PIECE):
        around = {name: values[:, begin:end] for name, values in streams.items()}
        encoded = encode(around, mask_BT[:, begin:end], present_BM)
        kept = slice(start - begin, stop - begin)
        weights = encoded.unit_weights_BTML
        parts.append(
            (encoded.fused_BTMD[:, kept], weights if weights is None else weights[:, kept])
        )
    fused, all_weights = zip(*parts, strict=True)
    some = [weights for weights in all_weights if weights is not None]
    return Encoded(torch.cat(fused, 1), None, torch.cat(some, 1) if some else None)


def pieces(length: int, reach: int, piece: int) -> Iterator[tuple[int, int, int, int]]:
    """Where each piece begins with what is around it, where it starts, stops, and where that ends.

    Example:
        >>> list(pieces(25, reach=3, piece=10))
        [(0, 0, 10, 13), (7, 10, 20, 23), (17, 20, 25, 25)]
    """
    for start in range(0, length, piece):
        stop = min(start + piece, length)
        yield max(0, start - reach), start, stop, min(stop + reach, length)

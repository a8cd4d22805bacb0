"""Validation by several processes: every video counts once, whichever of them have scored it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from torch import distributed
from torch.utils.data import DataLoader

from mmpyramid.core.batch import Batch

Batches: TypeAlias = Sequence[Sequence[int]]
"""The rows of a split that are in each batch."""


def places_to_count(loader: DataLoader[Batch]) -> list[list[int]]:
    """Which videos of each batch count in this process, as places in the batch.

    Samplers repeat videos until all processes have as many; the processes exchange which rows of
    the split they have. All of them have to call this.

    Args:
        loader: this process's share of the validation split.
    """
    assert loader.batch_sampler is not None, "batches are made of rows"
    mine = [list(rows) for rows in loader.batch_sampler]
    if not (distributed.is_available() and distributed.is_initialized()):
        return first_places([mine], 0)
    shares: list[Batches] = [()] * distributed.get_world_size()
    distributed.all_gather_object(shares, mine)
    return first_places(shares, distributed.get_rank())


def first_places(shares: Sequence[Batches], rank: int) -> list[list[int]]:
    """The places in the batches of one share whose rows neither came before nor in one before.

    Example:
        >>> shares = [[[0, 2], [4, 0]], [[1, 3], [0, 1]]]
        >>> first_places(shares, 0), first_places(shares, 1)
        ([[0, 1], [0]], [[0, 1], []])
    """
    seen = {row for share in shares[:rank] for rows in share for row in rows}
    places: list[list[int]] = []
    for rows in shares[rank]:
        places.append([])
        for place, row in enumerate(rows):
            if row not in seen:
                seen.add(row)
                places[-1].append(place)
    return places

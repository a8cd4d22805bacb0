"""Where the features of a split lie while a GPU trains on them: on it, or read ahead of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from mmpyramid.core.batch import Batch
from mmpyramid.core.prefetch import prefetch
from mmpyramid.datasets import Dataset

ROWS = 128
"""Rows that are read at once while a split is copied to a device."""
SHARE = 0.5
"""What the features may take of a GPU's free memory; the rest is for the network."""
GIB = 2**30


class ResidentDataset(TorchDataset[Batch]):
    """A split whose rows lie on a device; batches are gathered there.

    Args:
        rows: all rows of the split, one batch.

    Example:
        >>> from mmpyramid.core.batch import Batch
        >>> rows = Batch(
        ...     streams={"vggish": torch.arange(6.0).view(3, 2, 1)},
        ...     mask_BT=torch.ones(3, 2, dtype=torch.bool),
        ...     present_BM=torch.ones(3, 2, dtype=torch.bool),
        ... )
        >>> ResidentDataset(rows)[2].streams["vggish"].flatten().tolist()
        [4.0, 5.0]
    """

    def __init__(self, rows: Batch) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows.mask_BT)

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """Gather the batch of some rows; data loaders call this once per batch."""
        device = self.rows.mask_BT.device
        index_B = torch.tensor(rows)
        if device.type == "cuda":
            # From pinned memory, else the copy would wait for all that the GPU has to do.
            index_B = index_B.pin_memory().to(device, non_blocking=True)
        return self.rows.map(lambda values: values.index_select(0, index_B))


class ReadAhead(DataLoader[Batch]):
    """A data loader whose next batch is read and pinned while the GPU computes on this one."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        return prefetch(batch.map(_pinned) for batch in super().__iter__())


def place(dataset: Dataset, device: torch.device) -> tuple[Dataset | ResidentDataset, str]:
    """Copy a split to a GPU, if it fits and its videos are equally long.

    Args:
        dataset: the split.
        device: where the network computes.

    Returns:
        What gives the batches, and where the features are, in words; on a CPU they stay on disk,
        and the text is empty.

    Raises:
        UserError: if features cannot be read.
    """
    if device.type != "cuda":
        return dataset, ""
    free = torch.cuda.mem_get_info(device)[0]
    rows = copy_rows(dataset, device, round(SHARE * free))
    if isinstance(rows, str):
        return dataset, f"features read ahead of the GPU ({rows})"
    size = sum(values.nbytes for values in rows.tensors().values())
    return (
        ResidentDataset(rows),
        f"features on the GPU ({size / GIB:.2g} of {free / GIB:.0f} GiB free)",
    )


def copy_rows(dataset: Dataset, device: torch.device, most: int) -> Batch | str:
    """All rows of a split on a device, or the reason why they are not.

    Args:
        dataset: the split.
        device: where to.
        most: bytes that they may take.
    """
    first = dataset.batch(range(min(ROWS, len(dataset))))
    row_size = sum(values.nbytes for values in first.tensors().values()) / len(first.mask_BT)
    if (size := row_size * len(dataset)) > most:
        return f"their {size / GIB:.2g} GiB are more than {SHARE:.0%} of what is free"
    everything = first.map(lambda x: x.new_empty((len(dataset), *x.shape[1:]), device=device))
    targets = everything.tensors()
    for start in range(0, len(dataset), ROWS):
        rows = range(start, min(start + ROWS, len(dataset)))
        for name, values in (first if start == 0 else dataset.batch(rows)).tensors().items():
            if values.shape[1:] != targets[name].shape[1:]:
                return "videos differ in length"
            targets[name][start : rows.stop] = values.to(device)
    return everything


def _pinned(values: torch.Tensor) -> torch.Tensor:
    return values.pin_memory() if torch.cuda.is_available() else values

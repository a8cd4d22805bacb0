"""Stores of earlier versions, whose files had no index of their own: read once, to be imported.

Such a file is HDF5, of the layout that `store.shard` still writes for other programs. Later ones
end with their SHA-256, which is compared first; of the first ones nobody knows whether they are as
they were written. The HDF5 library may hang or fail on damage, which is why no other reading of
features depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np

from mmpyramid.core import Progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.seal import verify
from mmpyramid.core.text import shorten
from mmpyramid.core.typed import from_json
from mmpyramid.store.provenance import OLD_FORMAT
from mmpyramid.store.shard import Extracted, VideoRecord
from mmpyramid.store.source import FeatureError
from mmpyramid.store.store import PENDING_FOLDER, SHARD_PATTERN, FeatureStore, read_provenance
from mmpyramid.store.writer import StoreWriter

PACKED_AT_MOST = 1000
"""How much smaller deflate makes a file at best."""


def import_old_store(folder: Path, out: Path, progress: Progress | None = None) -> FeatureStore:
    """Put the videos of an earlier version's store into a new one.

    Args:
        folder: the old store, which stays as it is.
        out: the new one; another run goes on with it.
        progress: called after each file.

    Raises:
        UserError: if a file is damaged, or the store is none of an earlier version.

    Example:
        >>> import_old_store(Path("old"), Path("new")).ids  # doctest: +SKIP
        ('-0A9suni5YA', ...)
    """
    paths = [*sorted(folder.glob(SHARD_PATTERN)), *sorted(folder.glob(f"{PENDING_FOLDER}/*.h5"))]
    with StoreWriter(out, read_provenance(folder, OLD_FORMAT)) as writer:
        for done, path in enumerate(paths, start=1):
            for video_id, video in read_old_file(path):
                if video_id in writer.done:
                    continue
                try:
                    writer.add(video_id, video)
                except FeatureError as error:
                    writer.fail(video_id, str(error))
            if progress:
                progress(done, len(paths))
    return FeatureStore(out)


def read_old_file(path: Path) -> Iterator[tuple[str, Extracted]]:
    """The videos of one file.

    Raises:
        UserError: if it is damaged, or no such file.
    """
    try:
        verify(path)
        with h5py.File(str(path), "r", locking=False) as opened:
            texts: Any = _inner(opened, "videos").asstr()
            records = [from_json(text, VideoRecord, "what is known of a video") for text in texts]
            offsets, rows = opened["offsets"], opened["rows"]
            if set(offsets) != set(rows):
                raise ValueError("it has other streams of rows than of offsets")
            begins = {name: _begins(opened, name, len(records)) for name in offsets}
            for place, record in enumerate(records):
                features = {
                    name: _inner(opened, f"rows/{name}")[begin[place] : begin[place + 1]]
                    for name, begin in begins.items()
                    if begin[place] < begin[place + 1]
                }
                facts = {n: v for n, v in msgspec.structs.asdict(record).items() if n != "id"}
                yield record.id, Extracted(features=features, **facts)
    # The HDF5 library reports damage by nearly every kind of exception.
    except Exception as error:
        raise UserError(
            f"expected features of an earlier version in {path}, but reading failed with: "
            f"{shorten(str(error), 300)}. Delete the file to import the others"
        ) from error


def _begins(file: Any, name: str, num_videos: int) -> Any:
    """Where the rows of each video begin, and the last ones end.

    Raises:
        ValueError: if they do not fit the rows.
    """
    begins, rows = np.asarray(_inner(file, f"offsets/{name}")[:]), _inner(file, f"rows/{name}")
    fits = begins.shape == (num_videos + 1,) and begins.dtype.kind in "iu"
    if not fits or begins[0] != 0 or (np.diff(begins) < 0).any():
        raise ValueError(f"the offsets of {name} are not those of {num_videos} videos")
    if rows.ndim < 2 or rows.dtype != np.float32 or len(rows) != begins[-1]:
        raise ValueError(f"{name} is {rows.dtype} {rows.shape}, not {begins[-1]} rows")
    return begins


def _inner(file: Any, name: str) -> Any:
    """A dataset of the file itself, no larger than the file can hold.

    Raises:
        ValueError: if it is elsewhere, or claims to be larger.
    """
    library: Any = h5py  # Its stubs lack the links.
    dataset = file.get(name)
    link = file.get(name, getlink=True)
    if not isinstance(link, library.HardLink) or not isinstance(dataset, library.Dataset):
        raise ValueError(f"{name} is no array of this file")
    if dataset.external is not None or dataset.is_virtual:
        raise ValueError(f"{name} is in another file")
    packed = PACKED_AT_MOST if dataset.chunks is not None else 1
    if dataset.size * dataset.dtype.itemsize > packed * file.id.get_filesize():
        raise ValueError(f"{name} claims to be larger than the file")
    return dataset

"""The layouts that features are exchanged in, read array by array.

`npy` is a folder per stream with one file per video, as LLP is published; `h5` is a file per stream
with one row per video and their ids, in order, in `ids.txt`, as AVE is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np

from mmpyramid.core import Array
from mmpyramid.core.errors import UserError
from mmpyramid.store.hdf5 import only_dataset

Layout: TypeAlias = Literal["npy", "h5"]

IDS_FILE = "ids.txt"
STREAMS: dict[Layout, dict[str, str]] = {
    "npy": {"res152": "resnet152"},
    "h5": {"audio_feature": "vggish", "visual_feature": "vgg19"},
}
"""Names of streams by those that published folders and files have; others are kept."""


class Arrays(Protocol):
    """The arrays of one layout.

    Attributes:
        names: where each stream is.
        ids: the videos.
    """

    names: dict[str, Path]
    ids: list[str]

    def read(self, name: str, video_id: str) -> Array | None:
        """One stream of one video as it is stored, None if there is none."""
        ...


class NpyArrays:
    """A folder per stream, in it `<id>.npy`."""

    def __init__(self, folder: Path) -> None:
        inner = folder / "feats"
        folders = sorted(p for p in (inner if inner.is_dir() else folder).iterdir() if p.is_dir())
        self.names = {
            STREAMS["npy"].get(p.name, p.name): p for p in folders if any(p.glob("*.npy"))
        }
        self.ids = sorted({p.stem for place in self.names.values() for p in place.glob("*.npy")})

    def read(self, name: str, video_id: str) -> Array | None:
        """One stream of one video.

        Raises:
            UserError: if the file is damaged.
        """
        path = self.names[name] / f"{video_id}.npy"
        try:
            return np.array(np.load(path, mmap_mode="r", allow_pickle=False), np.float32)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"expected an array in {path}, but reading failed: {error}") from error


class RowArrays:
    """A file per stream, in it one dataset (number of videos, T, ..., D), and `ids.txt`."""

    def __init__(self, folder: Path) -> None:
        self.names = {STREAMS["h5"].get(p.stem, p.stem): p for p in sorted(folder.glob("*.h5"))}
        path = folder / IDS_FILE
        if not path.is_file():
            raise UserError(
                f"expected {path} with the id of every row, one per line, but there is none"
            )
        self.ids = path.read_text(encoding="utf-8").splitlines()
        self._rows = {video_id: row for row, video_id in enumerate(self.ids)}
        lengths = {name: self._num_rows(place) for name, place in self.names.items()}
        if len(self._rows) < len(self.ids) or set(lengths.values()) - {len(self.ids)}:
            raise UserError(
                f"expected the ids of all rows in {path}, each once, but there are "
                f"{len(self._rows)} different ids in {len(self.ids)} lines for rows {lengths}"
            )

    def read(self, name: str, video_id: str) -> Array | None:
        """One stream of one video; rows have them all."""
        with only_dataset(self.names[name]) as dataset:
            return np.array(dataset[self._rows[video_id]], np.float32)

    def _num_rows(self, path: Path) -> int:
        with only_dataset(path) as dataset:
            return len(dataset)


def open_layout(folder: Path) -> Arrays:
    """Find out which layout a folder has.

    Raises:
        UserError: if it has neither.
    """
    if not folder.is_dir():
        raise UserError(f"expected a folder of features, but {folder} is none")
    arrays: Arrays = RowArrays(folder) if any(folder.glob("*.h5")) else NpyArrays(folder)
    if not arrays.ids or not arrays.names:
        raise UserError(
            f"expected folders of .npy files, one per stream, or .h5 files with {IDS_FILE}, but "
            f"{folder} has neither"
        )
    return arrays

"""The features of AVE as they are published: one HDF5 file per stream, a row per clip.

Source: the feature files of Tian et al., ECCV 2018: `audio_feature.h5` (N, 10, 128) and
`visual_feature.h5` (N, 10, 7, 7, 512), in float64, whose rows are the lines of `Annotations.txt`;
and the same with `_noisy` for the clips of background that weak training adds. The visual file has
8.3 GB, so only the rows of a batch are ever read.

Shape letters: N rows, B batch, T segments.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array
from mmpyramid.core.batch import Batch, Streams
from mmpyramid.core.errors import Problems
from mmpyramid.datasets.ave_files import WITHOUT_BACKGROUND_CLIPS, Index
from mmpyramid.datasets.features import check_streams
from mmpyramid.store.hdf5 import RowFile

FILES = {"vggish": "audio_feature", "vgg19": "visual_feature"}
"""Name of the file of each stream, without `.h5` or `_noisy.h5`."""

SEGMENT_SHAPES: dict[str, tuple[int, ...]] = {"vggish": (128,), "vgg19": (7, 7, 512)}


class AveFolder:
    """The published feature files of one folder.

    Args:
        folder: the folder that holds them, or one whose `data/` does.

    Example:
        >>> AveFolder("AVE-ECCV18").streams  # doctest: +SKIP
        {'vggish': 128, 'vgg19': 512}
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        inside = not _has_files(folder) and _has_files(folder / "data")
        self.folder = folder / "data" if inside else folder

    @staticmethod
    def is_published(folder: Path | str) -> bool:
        """Whether a folder, or its `data`, has at least one of the published files."""
        return _has_files(Path(folder)) or _has_files(Path(folder) / "data")

    @property
    def streams(self) -> Mapping[str, int]:
        """The width D of every stream by name."""
        return MappingProxyType({name: shape[-1] for name, shape in SEGMENT_SHAPES.items()})

    def describe(self) -> str:
        """What made these features, on one line."""
        return f"the published VGGish and VGG-19 features in {self.folder}"

    def open(
        self, streams: Collection[str], num_rows: int, num_segments: int, *, noisy: bool = False
    ) -> dict[str, RowFile]:
        """Open the files of some streams.

        Args:
            streams: names out of `streams`.
            num_rows: how many rows a file needs at least.
            num_segments: T.
            noisy: whether to open the files of the noisy set.

        Raises:
            UserError: one report of all files that are missing, damaged, or of a wrong shape.
        """
        problems = Problems()
        files = {}
        for stream in streams:
            path = self.folder / f"{FILES[stream]}{'_noisy' if noisy else ''}.h5"
            if not path.is_file():
                problems.add("missing files", path.name)
                continue
            file = files[stream] = RowFile.open(path)
            expected = (num_segments, *SEGMENT_SHAPES[stream])
            if file.shape[1:] != expected or file.shape[0] < num_rows:
                shape = ", ".join(map(str, (f"at least {num_rows}", *expected)))
                problems.add("wrong shapes", f"{file.shape} in {path.name}, not ({shape})")
        remedy = "They come with AVE's feature archive; a file of another shape is of another set."
        if noisy:
            remedy += WITHOUT_BACKGROUND_CLIPS
        problems.raise_if_any(f"expected the feature files of AVE in {self.folder}", remedy)
        return files


class ClipReader:
    """Reads the published features of chosen clips, a batch at a time.

    Args:
        folder: where the files are.
        streams: what the network reads, out of `AveFolder.streams`.
        rows_N: row of each clip in its files.
        noisy_N: True where those are the files of the noisy set.
        num_segments: T.

    Raises:
        UserError: as `AveFolder.open`, or if there are no such streams.
    """

    def __init__(
        self,
        folder: AveFolder,
        streams: Streams,
        rows_N: Index,
        noisy_N: NDArray[np.bool_],
        num_segments: int,
    ) -> None:
        check_streams(folder, streams)
        self._present_M = [bool(streams.audio), bool(streams.visual)]
        self._rows_N, self._noisy_N = rows_N, noisy_N
        self._shapes = {name: (num_segments, *SEGMENT_SHAPES[name]) for name in streams.widths}
        self._files = {
            noisy: folder.open(
                tuple(streams.widths),
                1 + int(rows_N[noisy_N == noisy].max()),
                num_segments,
                noisy=noisy,
            )
            for noisy in (False, True)
            if (noisy_N == noisy).any()
        }

    def check(self) -> None:
        """Do nothing: names and shapes are checked on opening, values whenever they are read."""

    def read(self, clips_B: Index) -> dict[str, Array]:
        """The features (B, T, ...) float32 of some clips by stream.

        Raises:
            UserError: if a clip has NaN or infinite values.
        """
        streams = {
            name: np.empty((len(clips_B), *shape), np.float32)
            for name, shape in self._shapes.items()
        }
        for noisy, files in self._files.items():
            places = np.flatnonzero(self._noisy_N[clips_B] == noisy)
            for name, file in files.items():
                file.fill(streams[name], places, self._rows_N[clips_B[places]])
        return streams

    def batch(self, rows: Sequence[int]) -> Batch:
        """The features of some clips, without labels."""
        import torch

        features = self.read(np.asarray(rows))
        num_segments = next(iter(self._shapes.values()))[0]
        return Batch(
            streams={name: torch.from_numpy(values) for name, values in features.items()},
            mask_BT=torch.ones(len(rows), num_segments, dtype=torch.bool),
            present_BM=torch.tensor([self._present_M]).repeat(len(rows), 1),
        )


def _has_files(folder: Path) -> bool:
    return any((folder / f"{name}.h5").is_file() for name in FILES.values())

"""Where features come from: one small protocol for published folders and for our own stores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from mmpyramid.core import Features, Progress
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import write_durably

if TYPE_CHECKING:
    from mmpyramid.store.mapped import FeatureTable

MARKER_FILE = "SIMULATED.json"
"""Marks a folder of simulated features and holds their parameters."""


class FaultKind(StrEnum):
    """What can be wrong with the features of one video."""

    MISSING = "missing features"
    UNREADABLE = "unreadable files"
    SHAPE = "wrong shapes"
    NOT_FINITE = "NaN or infinite values"


class Fault(NamedTuple):
    """One thing that is wrong, and where."""

    kind: FaultKind
    where: str


class FeatureError(UserError):
    """The features of one video cannot be used; `faults` lists all that is wrong with them."""

    def __init__(self, faults: Collection[Fault]) -> None:
        problems = Problems()
        for fault in faults:
            problems.add(fault.kind, fault.where)
        super().__init__(f"expected usable features of one video, but found {problems.summary()}")
        self.faults = tuple(faults)


class FeatureSource(Protocol):
    """Features of many videos by id."""

    @property
    def streams(self) -> Mapping[str, int]:
        """The width D of every stream by name."""
        ...

    def __contains__(self, video_id: object, /) -> bool:
        """Whether features of this video exist."""
        ...

    def load(self, video_id: str, streams: Collection[str] | None = None) -> Features:
        """Load one video.

        Args:
            video_id: the id.
            streams: names of the required streams; None means all.

        Returns:
            Arrays (T, ..., D) by stream, all of the same T; a stream whose modality the video lacks
            has no entry.

        Raises:
            FeatureError: with everything that is wrong with the features of this video.
        """
        ...

    def table(
        self, ids: Sequence[str], streams: Collection[str], progress: Progress | None = None
    ) -> FeatureTable:
        """Check the features of many videos, to read them batch by batch.

        Args:
            ids: the N videos, in the order of the rows.
            streams: names of streams.
            progress: called after each video, where each has to be read.

        Raises:
            UserError: one report of everything that is missing, unreadable, of a wrong shape, or
                not finite.
        """
        ...

    def describe(self) -> str:
        """What made these features, on one line."""
        ...


def choose_streams(source: FeatureSource, streams: Collection[str] | None) -> tuple[str, ...]:
    """The required streams, all of them for None.

    Raises:
        UserError: if the source lacks one of them.
    """
    unknown = sorted(set(streams or ()) - set(source.streams))
    if unknown:
        raise UserError(
            f"expected streams out of {', '.join(source.streams)}, got {', '.join(unknown)}; "
            f"the features are {source.describe()}"
        )
    return tuple(source.streams if streams is None else streams)


NUMBERS = "fiu"
"""Kinds of types that features may have: a cast of others would invent or lose something."""


def find_faults(
    video_id: str, features: Features, dims: Mapping[str, int], num_segments: int | None = None
) -> Iterator[Fault]:
    """Yield what is wrong with the arrays of one video.

    Args:
        video_id: named in the faults.
        features: arrays that should be (T, ..., D) with finite values and one common T above 0.
        dims: the width D of every stream.
        num_segments: T; None means that of the first stream.
    """
    for name, array in features.items():
        where = f"{name} of {video_id}"
        if array.dtype.kind not in NUMBERS:
            yield Fault(FaultKind.UNREADABLE, f"{where}: {array.dtype} instead of numbers")
            continue
        if num_segments is None and array.ndim:
            num_segments = len(array)
        fits = array.ndim > 1 and len(array) == num_segments and array.shape[-1] == dims[name]
        if not (fits and num_segments):
            expected = f"({num_segments or 'T'}, …, {dims[name]})"
            yield Fault(FaultKind.SHAPE, f"{where}: {array.shape} instead of {expected}")
        elif not np.isfinite(array).all():
            yield Fault(FaultKind.NOT_FINITE, where)


def find_marker(folder: Path) -> Path | None:
    """The file that marks a corpus, its features or a store of such as simulated, if there is one.

    Example:
        >>> find_marker(Path("LLP")) is None
        True
    """
    above = [folder.parent] if folder.name == "feats" else []
    candidates = (folder, *above, folder / "features", folder / "feats")
    markers = (candidate / MARKER_FILE for candidate in candidates)
    return next((marker for marker in markers if marker.is_file()), None)


def is_simulated(folder: str | Path) -> bool:
    """Whether a corpus folder, its features, or a store made of them holds simulated features.

    Example:
        >>> is_simulated("LLP")
        False
    """
    return find_marker(Path(folder)) is not None


def carry_marker(source: Path, out: Path) -> None:
    """Mark what was made of simulated features as such."""
    if marker := find_marker(source):
        out.mkdir(parents=True, exist_ok=True)
        write_durably(out / MARKER_FILE, marker.read_bytes())

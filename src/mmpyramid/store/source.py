"""Where features come from: one small protocol for published folders and for our own stores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Features, Progress
from mmpyramid.core.errors import Problems, UserError

NUM_THREADS = 4
CHUNK, READ_AHEAD = 16, 256
"""Videos that a thread reads at once, so that threads seldom wait for each other; and in all."""


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
    """The features of one video cannot be used; `faults` tells all that is wrong with them."""

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
            streams: names of the wanted streams; None means all.

        Returns:
            Arrays (T, ..., D) by stream, all of the same T; a stream whose modality the video lacks
            has no entry.

        Raises:
            FeatureError: with everything that is wrong with the features of this video.
        """
        ...

    def describe(self) -> str:
        """What made these features, on one line."""
        ...


def choose_streams(source: FeatureSource, streams: Collection[str] | None) -> tuple[str, ...]:
    """The wanted streams, all of them for None.

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
        if num_segments is None and array.ndim:
            num_segments = len(array)
        fits = array.ndim > 1 and len(array) == num_segments and array.shape[-1] == dims[name]
        if not (fits and num_segments):
            expected = f"({num_segments or 'T'}, …, {dims[name]})"
            yield Fault(FaultKind.SHAPE, f"{where}: {array.shape} instead of {expected}")
        elif not np.isfinite(array).all():
            yield Fault(FaultKind.NOT_FINITE, where)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedFeatures:
    """Features of N videos in memory, padded with zeros to the longest, T segments.

    Attributes:
        arrays: (N, T, ..., D) float32 by stream.
        lengths: (N,) number of real segments of each video.
        present: (N,) bool by stream: False where the video lacks that modality.
    """

    arrays: dict[str, Array]
    lengths: NDArray[np.int64]
    present: dict[str, NDArray[np.bool_]]


def load_many(
    source: FeatureSource,
    ids: Sequence[str],
    streams: Collection[str] | None = None,
    progress: Progress | None = None,
) -> LoadedFeatures:
    """Read the features of many videos once, with a pool of threads.

    Args:
        source: where the features are.
        ids: the N videos, in the order of the rows of the result.
        streams: names of the wanted streams; None means all.
        progress: called after each video.

    Raises:
        UserError: one report of everything that is missing, unreadable, of a wrong shape, or not
            finite.

    Example:
        >>> loaded = load_many(NpyFolder("data"), annotations.ids)  # doctest: +SKIP
        >>> loaded.arrays["vggish"].shape  # doctest: +SKIP
        (10000, 10, 128)
    """
    names = choose_streams(source, streams)
    stacks = {name: _Stack(len(ids), source.streams[name]) for name in names}
    lengths = np.zeros(len(ids), np.int64)
    for video, features in _load_each(source, ids, names, progress):
        for name, array in features.items():
            stacks[name].put(video, array)
            lengths[video] = len(array)
    longest = int(lengths.max(initial=0))
    return LoadedFeatures(
        arrays={name: stack.padded(longest) for name, stack in stacks.items()},
        lengths=lengths,
        present={name: stack.present for name, stack in stacks.items()},
    )


class _Stack:
    """The rows of one stream, allocated when the first is known."""

    def __init__(self, num_videos: int, dim: int) -> None:
        self.present = np.zeros(num_videos, np.bool_)
        self._array: Array = np.zeros((num_videos, 0, dim), np.float32)

    def put(self, video: int, array: Array) -> None:
        """Copy the (t, ..., D) array of one video, with room for longer ones to come."""
        if not self.present.any():
            self._array = np.zeros((len(self.present), *array.shape), np.float32)
        elif len(array) > self._array.shape[1]:
            self._array = self.padded(max(len(array), self._array.shape[1] * 3 // 2))
        self._array[video, : len(array)] = array
        self.present[video] = True

    def padded(self, num_segments: int) -> Array:
        """The rows (N, T, ..., D) cut or padded to T segments."""
        num_videos, room, *widths = self._array.shape
        if num_segments <= room:
            return self._array[:, :num_segments]
        longer = np.zeros((num_videos, num_segments, *widths), np.float32)
        longer[:, :room] = self._array
        return longer


def _load_each(
    source: FeatureSource,
    ids: Sequence[str],
    streams: Collection[str],
    progress: Progress | None,
) -> Iterator[tuple[int, Features]]:
    """Yield the videos in order with their indices; raise about all bad ones at the end."""
    problems = Problems()

    def load(video_id: str) -> Features | FeatureError:
        try:
            return source.load(video_id, streams)
        except FeatureError as error:
            return error

    def load_chunk(start: int) -> list[Features | FeatureError]:
        return [load(video_id) for video_id in ids[start : start + CHUNK]]

    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for start in range(0, len(ids), READ_AHEAD):
            chunks = range(start, min(start + READ_AHEAD, len(ids)), CHUNK)
            block = chain.from_iterable(pool.map(load_chunk, chunks))
            for video, loaded in enumerate(block, start):
                if isinstance(loaded, FeatureError):
                    for fault in loaded.faults:
                        problems.add(fault.kind, fault.where)
                else:
                    yield video, loaded
                if progress:
                    progress(video + 1, len(ids))
    problems.raise_if_any(
        f"expected usable features of {len(ids)} videos from {source.describe()}",
        "Extract or download what is missing, and replace what is damaged.",
    )

"""What all engines share: the job, the one who does it, and the settings."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mmpyramid.backbones.base import Extractor
from mmpyramid.core.code import load_inherited_code
from mmpyramid.extract.decoding import Decoding, Limits
from mmpyramid.extract.embedder import Embedder
from mmpyramid.extract.workers import Failure
from mmpyramid.store.shard import Extracted

NUM_AHEAD = 6
"""Videos in hand: clips of ten seconds fill a batch of 32 segments, and decoding runs ahead."""

Factory: TypeAlias = Callable[[str | Sequence[str]], Sequence[Extractor]]
Results: TypeAlias = Generator[tuple[Path, Extracted | Failure]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is extracted, in a form that travels to other processes and machines.

    Attributes:
        factory: makes the extractors; picklable.
        extractors: a set's name or the names of streams, for `factory`.
        batch: how many segments are embedded together.
    """

    factory: Factory
    extractors: str | Sequence[str]
    batch: int

    def start(self, limits: Limits) -> FileExtractor:
        """Begin it in a process that does nothing else."""
        load_inherited_code()
        made = self.factory(self.extractors)
        use_one_thread()
        return FileExtractor(made, self.batch, limits)


class FileExtractor:
    """A `Task` that turns files into features: decodes ahead, and embeds what has come.

    Args:
        extractors: the backbones.
        batch: how many segments are embedded together.
        limits: what decoding one file may take.
    """

    def __init__(self, extractors: Sequence[Extractor], batch: int, limits: Limits) -> None:
        self._embedder = Embedder(extractors, batch)
        self._decoding = Decoding(self._embedder.reading, batch, limits)

    def __enter__(self) -> FileExtractor:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoding.close()

    def expect(self, path: Path) -> None:
        """Have one more file decoded."""
        self._decoding.expect(path)

    def next(self) -> tuple[Path, Extracted | Failure]:
        """The next file that is over, usually the first expected."""
        while not self._embedder.finished:
            if self._decoding.expected:
                self._embedder.take(*self._decoding.receive())
            else:
                self._embedder.flush()
        return self._embedder.finished.popleft()

    def each(self, paths: Sequence[Path]) -> Results:
        """Work through files, some ahead of others."""
        for number, path in enumerate(paths):
            self.expect(path)
            if number >= NUM_AHEAD:
                yield self.next()
        for _ in paths[-NUM_AHEAD:]:
            yield self.next()


@dataclass(frozen=True, kw_only=True)
class Engine(ABC):
    """Works through files in some processes on some machines.

    Attributes:
        workers: number of processes with networks; by default one per core.
        limits: what decoding one file may take.
    """

    workers: int | None = None
    limits: Limits = field(default_factory=Limits)

    @abstractmethod
    def run(self, job: Job, paths: Sequence[Path], made: Sequence[Extractor]) -> Results:
        """Extract the features of files, and yield them in any order.

        Args:
            job: what to do.
            paths: the files.
            made: the job's extractors, which this process has made already.
        """


def use_one_thread() -> None:
    """Keep networks to one thread, whatever runs beside them.

    Speed comes from processes. The number of threads decides in which order some kernels sum, so it
    must not depend on the machine.
    """
    torch = sys.modules.get("torch")  # Loading it takes seconds; extractors may do without.
    if torch is not None:
        torch.set_num_threads(1)


@contextmanager
def one_thread_here() -> Iterator[None]:
    """`use_one_thread` in a process that does other things afterwards."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    use_one_thread()
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(before)

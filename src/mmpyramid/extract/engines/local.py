"""The engine of one machine: processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmpyramid.backbones.base import Extractor
from mmpyramid.extract.engines.base import (
    NUM_AHEAD,
    Engine,
    FileExtractor,
    Job,
    Results,
    one_thread_here,
)
from mmpyramid.extract.workers import num_cores, work


class LocalEngine(Engine):
    """Works on this machine: a process with networks per worker, and beside it one that decodes.

    One worker works in this process.

    Example:
        >>> extract_corpus("videos/", "features/", engine=LocalEngine(workers=4))  # doctest: +SKIP
    """

    def run(self, job: Job, paths: Sequence[Path], made: Sequence[Extractor]) -> Results:
        """Extract the features of files, and yield them as they come."""
        num_workers = min(self.workers or num_cores(), len(paths))
        if num_workers > 1:
            yield from work(partial(job.start, self.limits), paths, num_workers, NUM_AHEAD)
        else:
            with one_thread_here(), FileExtractor(made, job.batch, self.limits) as extractor:
                yield from extractor.each(paths)
